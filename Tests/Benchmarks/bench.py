#!/usr/bin/env python3
"""Times of Polykey beside gocryptfs, the plain disk and an empty libfuse file system, taken in turn in one run.

`make bench` installs what it needs. POLYKEY names the program; BENCH_DIR a directory, on the disk to be measured, for temporary files
(else .build of the checkout). The order of the systems changes from round to round; ratios are of polykey's figure to the other's.
"Plain" is a directory of the same disk: it has the times of the disk's file system, and of Python, that all others have too.
"""

import argparse
import gc
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time

import growth
import large
import operations as ops
import peers
import profiling
from measuring import interleave, median, percentile, table, title
from systems import HERE, Bench, BenchError, Empty, Gocryptfs, Plain, Polykey

CHECKOUT = os.path.dirname(os.path.dirname(HERE))

# What the issue asks for: the row, of which system, the highest ratio.
AIMS = [
    ("create", "gocryptfs", 1.0),
    ("rewrite", "gocryptfs", 1.0),
    ("rewrite, fsync", "gocryptfs", 1.0),
    ("save by rename (.NAME.XXXXXX)", "gocryptfs", 1.0),
    ("save by rename (NAME.new)", "gocryptfs", 1.0),
    ("read hot", "gocryptfs", 0.35),
    ("read hot", "empty", 1.3),
    ("readdir of 2,000", "gocryptfs", 0.3),
    ("ls -l of 2,000", "gocryptfs", 0.3),
]
# A write among the most secrets may cost this much of one among the fewest and still be called flat.
FLAT = 1.15

# Name, operation, rounds, batch, whether the empty file system can do it.
SMALL = [
    ("create", ops.create, 100, 10, False),
    ("rewrite", ops.rewrite, 100, 10, False),
    ("rewrite, fsync", ops.rewrite_fsync, 100, 5, False),
    ("save by rename (.NAME.XXXXXX)", ops.save_by_rename(".saved.aB3dE9"), 100, 10, False),
    ("save by rename (NAME.new)", ops.save_by_rename("saved.new"), 100, 10, False),
    ("unlink", ops.unlink, 100, 10, False),
    ("read hot", ops.read_hot, 300, 10, True),
    ("cat: read, fstat, read to end", ops.cat, 300, 10, True),
    ("read any of 2,000", ops.read_any, 400, 10, False),
    ("stat", ops.stat, 300, 10, True),
    ("readdir of 2,000", ops.readdir, 50, 4, False),
    ("ls -l of 2,000", ops.list_long, 20, 2, False),
    ("random read, 4 KiB", large.random_read, 100, 10, False),
    ("random write, 4 KiB, kept open", large.random_write, 100, 10, False),
    ("16 random writes and close", large.random_writes_close, 20, 1, False),
    ("rewrite, 200 and sync, each", ops.many_then_sync, 5, 1, False),
]
LARGE = [
    ("sequential write", large.sequential_write),
    ("sequential read", large.sequential_read(hot=False)),
    ("sequential read, hot", large.sequential_read(hot=True)),
]


def output(*words):
    """What a program prints, on one line; "?" if it cannot be run."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return "?"
    return " ".join((done.stdout or done.stderr).split())


def describe(bench):
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        model = re.search(r"^model name\s*: (.*)$", lines.read(), re.MULTILINE)
    disk = output("findmnt", "-n", "-o", "SOURCE,FSTYPE,OPTIONS", "-T", bench.root)
    changed = output("git", "-C", CHECKOUT, "status", "--porcelain", "--untracked-files=no")
    commit = output("git", "-C", CHECKOUT, "log", "-1", "--format=%h %cs") + (", changed" if changed else "")
    lines = [
        ("date", time.strftime("%Y-%m-%d %H:%M %Z")),
        ("commit", commit),
        ("kernel", platform.release()),
        ("processor", f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"),
        ("load", f"{os.getloadavg()[0]:.2f} before the run"),
        ("disk", disk),
        ("polykey", f"{output(bench.polykey, '--version')}, {os.path.getsize(bench.polykey) >> 20} MiB, of "
                    + time.strftime("%Y-%m-%d %H:%M", time.localtime(os.path.getmtime(bench.polykey)))),
        ("gocryptfs", output("gocryptfs", "-version").removeprefix("gocryptfs ")),
        ("libfuse", output("pkg-config", "--modversion", "fuse3")),
        ("git", output("git", "--version").removeprefix("git version ")),
        ("python", platform.python_version()),
    ]
    for name, text in lines:
        print(f"{name:<10} {text}")
    print(flush=True)


def measure_small(systems, quick):
    """Prints the table of operations and returns {(row, system): median in ns}."""
    title("Operations on secrets of 100 bytes, median and 99th percentile in µs")
    medians, rows = {}, []
    names = [system.name for system in systems]
    for name, operation, rounds, batch, everywhere in SMALL:
        places = {system.directory: system.name for system in systems if everywhere or system.name != "empty"}
        if quick:
            rounds = max(3, rounds // 5)
        samples = interleave(operation, list(places), rounds, batch, 5 if quick else 20)
        found = {places[place]: taken for place, taken in samples.items()}
        for system, taken in found.items():
            medians[name, system] = median(taken)
        row = [name, str(len(found["polykey"]))]
        for system in names:
            taken = found.get(system)
            row += [median(taken) / 1000, percentile(taken, 0.99) / 1000] if taken else [None, None]
        ratios = [percentile(found["polykey"], at) / percentile(found["gocryptfs"], at) for at in (0.5, 0.99)]
        rows.append(row + ratios + [medians[name, "polykey"] / medians[name, "empty"] if everywhere else None])
    heads = ["operation", "samples"]
    for system in names:
        heads += [system, "p99"]
    table(heads + ["of gocryptfs", "p99", "of empty"], rows)
    return medians


def settle():
    """Waits until no file system has anything left to do for what it was told before."""
    os.sync()
    time.sleep(1.2)


def measure_alone(systems, quick):
    """The writes again in long turns with a rest before each, so that what one file system still does soon after a write delays none but
    its own next ones. Prints a table and returns {row: polykey's median, of gocryptfs's}."""
    title("Writes in turns of 200 with a rest before each, median and 99th percentile in µs")
    places = {ops.folder(system.directory, "alone"): system.name for system in systems if system.name != "empty"}
    rows, ratios = [], {}
    for name, operation, *_ in SMALL[:1] if quick else SMALL[:5]:
        samples = interleave(operation, list(places), 1 if quick else 3, 200, 30, warm_up=0, settle=settle)
        row = [name]
        for taken in samples.values():
            row += [median(taken) / 1000, percentile(taken, 0.99) / 1000]
        rows.append(row + [row[1] / row[3], row[2] / row[4]])
        ratios[name] = row[1] / row[3]
    heads = ["operation"]
    for system in places.values():
        heads += [system, "p99"]
    table(heads + ["of gocryptfs", "p99"], rows)
    return ratios


def measure_large(systems, quick):
    title("A file of 256 MiB in blocks of 1 MiB, median and worst in MiB/s")
    rows = []
    for name, operation in LARGE:
        places = {system.directory: system.name for system in systems if system.name != "empty"}
        found = {}
        for place, taken in interleave(operation, list(places), 1 if quick else 4, 1, 40, warm_up=1).items():
            found[places[place]] = (256e9 / median(taken), 256e9 / max(taken))
        row = [name]
        for system in places.values():
            row += found[system]
        rows.append(row + [found["polykey"][0] / found["gocryptfs"][0]])
    heads = ["operation"]
    for system in places.values():
        heads += [system, "worst"]
    table(heads + ["of gocryptfs"], rows)
    for system in systems:
        if system.name != "empty":
            os.unlink(os.path.join(system.directory, "large-256"))


def judge(medians, rested, growth_ratio):
    """Compares with the aims; `rested` has the ratios of the turns with rests, which must hold as well."""
    title("Aims, as ratios of medians")
    rows = []
    for name, other, limit in AIMS:
        ratio = medians[name, "polykey"] / medians[name, other]
        with_rests = rested.get(name) if other == "gocryptfs" else None
        met = max(ratio, with_rests or 0) <= limit
        rows.append([f"{name}, of {other}", ratio, with_rests, f"≤ {limit}", "met" if met else "MISSED"])
    fewest, most, ratio = growth_ratio
    met = "met" if ratio <= FLAT else "MISSED"
    rows.append([f"rewrite among {most:,} secrets, of {fewest:,}", ratio, None, f"≤ {FLAT}", met])
    table(["", "in turn", "with rests", "aim", ""], rows)


def measure(bench, quick):
    describe(bench)
    systems = [Polykey(bench, "polykey", ["default"]), Gocryptfs(bench), Plain(bench), Empty(bench)]
    for system in systems:
        system.mount()
    medians = measure_small(systems, quick)
    rested = measure_alone(systems, quick)
    measure_large(systems, quick)
    profiling.measure(bench, systems, quick)
    for system in systems:
        system.unmount()
    peers.measure(bench, quick)
    judge(medians, rested, growth.measure(bench, quick))


def interrupted(number, _):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and secrets: about a minute instead of ten at most")
    quick = parser.parse_args().quick
    polykey = os.path.abspath(os.environ.get("POLYKEY", os.path.join(CHECKOUT, ".build/release/polykey")))
    for program in (polykey, "gocryptfs", "fusermount3", "cc", "pkg-config", "git"):
        if not shutil.which(program):
            sys.exit(f"Error: {program} is missing; run this with `make bench`.")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        bench = Bench(os.environ.get("BENCH_DIR") or os.path.join(CHECKOUT, ".build"), polykey)
    except OSError as error:
        sys.exit(f"Error: {error.filename}: {error.strerror}; set BENCH_DIR to a directory for temporary files.")
    started = time.monotonic()
    try:
        gc.disable()
        measure(bench, quick)
        print(f"{time.monotonic() - started:.0f} s in all, load {os.getloadavg()[0]:.2f} at the end")
    except BenchError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        bench.close()


if __name__ == "__main__":
    main()
