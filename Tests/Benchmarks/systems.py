"""The file systems that are measured: a directory to work in and, except for the plain disk, a process that serves it."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class BenchError(Exception):
    """What went wrong, as a sentence for the user."""


class Bench:
    """The temporary directory, and the programs that run in it."""

    def __init__(self, parent, polykey):
        self.polykey = polykey
        os.makedirs(parent, exist_ok=True)
        self.root = os.path.join(os.path.realpath(parent), f"bench-{os.getpid()}")
        os.mkdir(self.root, 0o700)
        self.environment = dict(os.environ, POLYKEY_HOME=self.path("keynode"), HOME=self.root, LC_ALL="C.UTF-8")

    def path(self, *names):
        return os.path.join(self.root, *names)

    def directory(self, *names):
        """The path of a directory, which is made."""
        path = self.path(*names)
        os.makedirs(path, exist_ok=True)
        return path

    def run(self, *words):
        """Runs a program, which may leave a process behind, and returns what it printed; raises unless it exits 0."""
        # To a file: a process that it leaves behind would hold a pipe open.
        with open(self.path("output"), "w+b") as output:
            done = subprocess.run(
                words, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            output.seek(0)
            text = output.read().decode(errors="replace")
        if done.returncode != 0:
            raise BenchError(f"{os.path.basename(words[0])} {words[1]} failed: {text.strip()}")
        return text

    def servers(self, path, below=False):
        """The processes with this path, or one below it, among their arguments."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as line:
                words = line.read().decode(errors="surrogateescape").split("\0")
                if any(word == path or (below and word.startswith(path + "/")) for word in words):
                    found.append(int(name))
        return found

    @staticmethod
    def runs(process):
        """Whether a process has not ended; one that only waits to be reaped has."""
        with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as line:
            return line.read() != b""
        return False

    def mounts(self):
        """What is mounted below the temporary directory, the last mount first."""
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
            paths = [line.split(" ")[1].replace("\\040", " ") for line in mounts]
        return [path for path in reversed(paths) if path.startswith(self.root + "/")]

    def unmount(self, path):
        """Unmounts and waits until the process that served it has ended."""
        servers = self.servers(path)
        self.run("fusermount3", "-u", path)
        end = time.monotonic() + 60
        while any(self.runs(server) for server in servers):
            if time.monotonic() > end:
                raise BenchError(f"the process that served {path} does not end")
            time.sleep(0.005)

    def close(self):
        """Unmounts everything, ends what still runs, and removes the temporary directory; the last thing that is done."""
        # Files that an interrupted operation left open would keep their file systems alive.
        os.closerange(3, 1024)
        for attempt in range(100):
            mounts, servers = self.mounts(), self.servers(self.root, below=True)
            if not mounts and not servers:
                break
            for path in mounts:
                subprocess.run(["fusermount3", "-u", "-z", path], stderr=subprocess.DEVNULL, check=False)
            if attempt >= 50:
                for server in servers:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(server, signal.SIGKILL if attempt >= 90 else signal.SIGTERM)
            time.sleep(0.1)
        shutil.rmtree(self.root)


class System:
    """A file system under test; `directory` is where to work once it is mounted."""

    def __init__(self, bench, name, mounted=True):
        self.bench = bench
        self.name = name
        self.directory = bench.directory("at-" + re.sub(r"\W+", "-", name))
        self.mount_point = self.directory if mounted else None

    def mount(self):
        """Does nothing for what is always there."""

    def unmount(self):
        """Returns when the process that served it has ended."""
        if self.mount_point:
            self.bench.unmount(self.mount_point)

    @property
    def server(self):
        """The process that serves it."""
        servers = self.bench.servers(self.mount_point)
        if len(servers) != 1:
            raise BenchError(f"{len(servers)} processes serve {self.mount_point}")
        return servers[0]


class Plain(System):
    """A directory of the disk itself."""

    def __init__(self, bench):
        super().__init__(bench, "plain", mounted=False)


class Polykey(System):
    """All vaults of the keynode, mounted as a user would; it works in the first vault named."""

    def __init__(self, bench, name, vaults):
        super().__init__(bench, name)
        if not os.path.exists(bench.environment["POLYKEY_HOME"]):
            bench.run(bench.polykey, "init", "--no-passphrase")
        for vault in vaults:
            bench.run(bench.polykey, "vault", "create", vault)
        if vaults:
            self.directory = os.path.join(self.mount_point, vaults[0])

    def mount(self):
        self.bench.run(self.bench.polykey, "mount", self.mount_point)

    def unmount(self):
        self.bench.run(self.bench.polykey, "unmount", self.mount_point)


class Gocryptfs(System):
    """gocryptfs as Debian has it, with its defaults; only its key derivation is made cheap, since a mount's time should not show it."""

    def __init__(self, bench, name="gocryptfs"):
        super().__init__(bench, name)
        self.cipher = self.directory + "-cipher"
        os.mkdir(self.cipher)
        self.passphrase = bench.path("passphrase")
        with open(self.passphrase, "w", encoding="ascii") as file:
            file.write("bench\n")
        bench.run("gocryptfs", "-init", "-q", "-scryptn", "10", "-passfile", self.passphrase, self.cipher)

    def mount(self):
        self.bench.run("gocryptfs", "-q", "-nosyslog", "-passfile", self.passphrase, self.cipher, self.mount_point)


class Empty(System):
    """The least that libfuse can do: see empty.c."""

    def __init__(self, bench):
        super().__init__(bench, "empty")
        self.program = bench.path("empty")
        flags = shlex.split(bench.run("pkg-config", "--cflags", "--libs", "fuse3"))
        source = os.path.join(HERE, "empty.c")
        bench.run("cc", "-O2", "-Wall", "-Wextra", "-Werror", source, "-o", self.program, *flags)

    def mount(self):
        self.bench.run(self.program, self.mount_point)
