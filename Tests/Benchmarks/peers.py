"""What two mounts on one machine need to follow each other, beside `git fetch` and rsync of the same bytes."""

import contextlib
import os
import shutil
import socket
import subprocess
import time

from measuring import median, percentile, table, title
from systems import BenchError

MEBIBYTE = 1 << 20


class Peer:
    """A keynode of its own, with one vault at a directory."""

    def __init__(self, bench, name):
        self.bench = bench
        self.home = bench.directory(f"peer-{name}")
        self.directory = bench.directory(f"peer-{name}-mount")
        self.environment = dict(bench.environment, POLYKEY_HOME=os.path.join(self.home, "keynode"), HOME=self.home)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.run("init", "--no-passphrase")

    @property
    def repository(self):
        return os.path.join(self.home, "keynode/vaults/team.git")

    def run(self, *words):
        done = subprocess.run(
            (self.bench.polykey, *words), env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise BenchError(f"polykey {words[0]} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode().strip()

    def mount(self, *flags):
        # Not captured: the process that it leaves behind would hold the pipe open.
        subprocess.run(
            (self.bench.polykey, "mount", "team", self.directory, *flags), env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def listen(self):
        self.mount("--listen", f"127.0.0.1:{self.port}")

    def unmount(self):
        self.run("unmount", self.directory)

    def write(self, name, data):
        descriptor = os.open(os.path.join(self.directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, data)
        os.close(descriptor)

    def read(self, name):
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.directory, name), "rb") as file:
            return file.read()
        return None


def latency(writer, reader, count):
    """Nanoseconds from the start of a write on one mount until the other's reader has read it, which asks all the time."""
    samples = []
    for number in range(count + 10):
        value = f"value {number}".encode()
        start = time.monotonic_ns()
        writer.write("secret", value)
        while reader.read("secret") != value:
            if time.monotonic_ns() - start > 20_000_000_000:
                raise BenchError("a change never arrived at the peer")
        if number >= 10:
            samples.append(time.monotonic_ns() - start)
    return samples


def timed(action):
    os.sync()
    start = time.monotonic()
    action()
    return time.monotonic() - start


def carry(bench, writer, reader, what):
    """Seconds that the peer, `git fetch` and rsync take to get what the writer's repository has."""
    clone = bench.path("peer-clone.git")
    copy = bench.directory("peer-copy")
    bench.run("git", "init", "-q", "--bare", clone)
    address = f"127.0.0.1:{writer.port}"
    rows = [
        what,
        timed(lambda: reader.run("sync", "team", address, "--pull")),
        timed(lambda: bench.run("git", "-C", clone, "fetch", "-q", writer.repository, "+refs/*:refs/*")),
        timed(lambda: bench.run("rsync", "-a", f"{writer.repository}/objects/", copy)) if shutil.which("rsync") else None,
    ]
    shutil.rmtree(clone)
    shutil.rmtree(copy)
    return rows


def measure(bench, quick):
    title("Two mounts on one machine")
    writer, reader = Peer(bench, "a"), Peer(bench, "b")
    writer.run("vault", "create", "team")
    writer.listen()
    code = writer.run("invite", "team", "--role", "writer")
    reader.run("join", code)
    reader.listen()
    samples = latency(writer, reader, 50 if quick else 300)
    back = latency(reader, writer, 50 if quick else 300)
    table(
        ["from a write to its reading at the peer, ms", "samples", "p50", "p99", "worst"],
        [[name, str(len(these)), median(these) / 1e6, percentile(these, 0.99) / 1e6, max(these) / 1e6]
         for name, these in (("the founder writes", samples), ("the one who joined writes", back))])
    reader.unmount()
    rows = []
    for number in range(200 if quick else 1000):
        writer.write(f"many-{number}", os.urandom(100))
    rows.append(carry(bench, writer, reader, "200 new secrets" if quick else "1,000 new secrets"))
    size = 64 if quick else 1024
    with open(os.path.join(writer.directory, "large"), "wb") as file:
        for _ in range(size):
            file.write(os.urandom(MEBIBYTE))
    rows.append(carry(bench, writer, reader, f"a file of {size} MiB more"))
    table(["until all is there, s", "polykey sync", "git fetch of all", "rsync of all"], rows)
    writer.unmount()
