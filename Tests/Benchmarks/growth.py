"""What grows with the number of secrets and versions: the cost of a write, the time of a mount, and the bytes on disk."""

import os
import subprocess
import time

import operations as ops
from measuring import interleave, median, percentile, table, title
from systems import Gocryptfs, Polykey

PER_DIRECTORY = 100


def fill(directory, count):
    """So many secrets in directories of a hundred; returns µs per secret."""
    start = time.perf_counter_ns()
    for first in range(0, count, PER_DIRECTORY):
        place = ops.folder(directory, f"group-{first // PER_DIRECTORY:04}")
        for index in range(first, min(first + PER_DIRECTORY, count)):
            ops.write_file(f"{place}/secret-{index:05}")
    return (time.perf_counter_ns() - start) / 1000 / count


def write_costs(vaults):
    """Prints what a write costs among more and more secrets; returns (fewest, most, ratio of the rewrites' medians)."""
    places = {directory: count for count, directory in vaults.items()}
    found = {}
    for name, operation in (("rewrite", ops.rewrite), ("create", ops.create)):
        for place, taken in interleave(operation, list(places), 80, 5, 30).items():
            found[name, places[place]] = taken
    title("One write among so many secrets, in µs (vaults of one mount, in turn)")
    rows = []
    for count in vaults:
        row = [f"{count:,}"]
        for name in ("rewrite", "create"):
            taken = found[name, count]
            row += [median(taken) / 1000, percentile(taken, 0.99) / 1000, median(taken) / median(found[name, min(vaults)])]
        rows.append(row)
    fewest = f"of {min(vaults)}"
    table(["secrets", "rewrite", "p99", fewest, "create", "p99", fewest], rows)
    fewest, most = min(vaults), max(vaults)
    return fewest, most, median(found["rewrite", most]) / median(found["rewrite", fewest])


def timed(action):
    start = time.perf_counter_ns()
    result = action()
    return (time.perf_counter_ns() - start) / 1e6, result


def walk(directory):
    """Looks at every file's attributes, as `find -ls` does."""
    for place, _, names in os.walk(directory):
        for name in names:
            os.lstat(os.path.join(place, name))


def read_one(directory):
    with open(f"{directory}/group-0000/secret-00000", "rb", buffering=0) as file:
        file.read()


def mount_times(systems, repeats):
    """Medians in ms: the command that mounts, until the first `ls` is done; then the first `cat`; then a walk over everything."""
    title("Mounting, median and worst in ms (caches of the disk warm)")
    steps = {system: [] for system in systems}
    for _ in range(repeats):
        for system in systems:
            ready, _ = timed(lambda system=system: (system.mount(), os.listdir(system.directory)))
            first, _ = timed(lambda system=system: read_one(system.directory))
            whole, _ = timed(lambda system=system: walk(system.directory))
            ended, _ = timed(system.unmount)
            steps[system].append((ready, first, whole, ended))
    rows = []
    for system, taken in steps.items():
        row = [system.name]
        for column in zip(*taken):
            row += [median(column), max(column)]
        rows.append(row)
    heads = ["secrets"]
    for name in ("mount and ls", "first cat", "find -ls", "unmount"):
        heads += [name, "worst"]
    table(heads, rows)


class Vault(Polykey):
    """One vault, mounted alone."""

    def __init__(self, bench, vault, count):
        super().__init__(bench, f"polykey, {count:,}", [])
        self.vault = vault
        self.directory = self.mount_point

    def mount(self):
        self.bench.run(self.bench.polykey, "mount", self.vault, self.mount_point)


def disk_use(repository):
    """Bytes, bytes in whole blocks, loose objects and packed objects."""
    length = blocks = 0
    for place, _, names in os.walk(repository):
        for status in [os.lstat(place)] + [os.lstat(os.path.join(place, name)) for name in names]:
            length += status.st_size
            blocks += status.st_blocks * 512
    counts = subprocess.run(["git", "-C", repository, "count-objects", "-v"], capture_output=True, text=True, check=True).stdout
    numbers = dict(line.split(": ") for line in counts.splitlines())
    return length, blocks, int(numbers["count"]), int(numbers["in-pack"])


def packed_bytes(bench, repository):
    """Bytes of all that is reachable, in the one pack that git makes of it."""
    copy = bench.path("clone.git")
    bench.run("git", "clone", "-q", "--mirror", "--no-local", f"file://{repository}", copy)
    length = sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(f"{copy}/objects") for name in names)
    bench.run("rm", "-rf", copy)
    return length


def version_sizes(bench, vault, versions):
    """Prints what one more version of a secret of 100 bytes takes, while mounted, after the unmount, and in a pack of git's own."""
    repository = bench.path("keynode", "vaults", f"{vault.vault}.git")
    start, start_packed = disk_use(repository), packed_bytes(bench, repository)
    vault.mount()
    path = f"{vault.directory}/group-0000/secret-00000"
    for _ in range(versions):
        ops.write_file(path)
    states = [("mounted", disk_use(repository))]
    vault.unmount()
    states.append(("unmounted (consolidated)", disk_use(repository)))
    title(f"One version of a secret of 100 bytes among {vault.name.split()[-1]}, of {versions} versions")
    rows = []
    for name, now in states:
        rows.append([name] + [(new - old) / versions for old, new in zip(start, now)])
    rows.append(["in git's own pack (clone)", (packed_bytes(bench, repository) - start_packed) / versions, None, None, None])
    table(["", "bytes", "in blocks", "loose objects", "packed objects"], rows)


def measure(bench, quick):
    """Prints three tables; returns (fewest, most, ratio of a write's median among the most secrets to that among the fewest)."""
    counts = [10, 100, 1000] if quick else [10, 100, 1000, 10000]
    together = Polykey(bench, "vaults", [f"secrets-{count}" for count in counts])
    together.mount()
    vaults = {count: os.path.join(together.mount_point, f"secrets-{count}") for count in counts}
    filled = {count: fill(directory, count) for count, directory in vaults.items()}
    print(f"Filled with {counts[-1]:,} secrets in {filled[counts[-1]]:.0f} µs each.\n")
    ratio = write_costs(vaults)
    together.unmount()

    alone = [Vault(bench, f"secrets-{count}", count) for count in counts if count >= 1000]
    others = []
    for count in counts:
        if count >= 1000:
            other = Gocryptfs(bench, f"gocryptfs, {count:,}")
            other.mount()
            fill(other.directory, count)
            other.unmount()
            others.append(other)
    mount_times([system for pair in zip(alone, others) for system in pair], 3 if quick else 7)
    version_sizes(bench, alone[0], 200 if quick else 1000)
    return ratio
