"""The operations on large files that are timed; of the same form as those of operations.py."""

import contextlib
import os
import random
from time import perf_counter_ns as now

MEBIBYTE = 1 << 20
PAGE = 4096


def large_file(directory, mebibytes):
    """The path of a file of random bytes, written if it is not there."""
    path = os.path.join(directory, f"large-{mebibytes}")
    if not os.path.exists(path):
        block = os.urandom(MEBIBYTE)
        with open(path, "wb", buffering=0) as file:
            for _ in range(mebibytes):
                file.write(block)
            os.fsync(file.fileno())
    return path


def offsets():
    """Page offsets in 64 MiB, the same everywhere."""
    chance = random.Random(64)
    return [chance.randrange(64 * MEBIBYTE // PAGE) * PAGE for _ in range(8192)]


@contextlib.contextmanager
def random_read(directory):
    """Pages that the kernel does not have: asked of the file system, or for the plain disk of the disk."""
    descriptor = os.open(large_file(directory, 64), os.O_RDONLY)
    places = offsets()
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    def step(number):
        offset = places[number % len(places)]
        if number % 10 == 0:
            # All of it: a page within a larger folio would stay.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        start = now()
        os.pread(descriptor, PAGE, offset)
        return now() - start

    yield step
    os.close(descriptor)


@contextlib.contextmanager
def random_write(directory):
    """Writes to a file that stays open."""
    descriptor = os.open(large_file(directory, 64), os.O_WRONLY)
    page = os.urandom(PAGE)
    places = offsets()

    def step(number):
        start = now()
        os.pwrite(descriptor, page, places[number % len(places)])
        return now() - start

    yield step
    os.close(descriptor)


@contextlib.contextmanager
def random_writes_close(directory):
    """Opens a large file, writes 16 pages here and there, and closes it."""
    path = large_file(directory, 64)
    page = os.urandom(PAGE)
    places = offsets()

    def step(number):
        chosen = [places[(16 * number + index) % len(places)] for index in range(16)]
        start = now()
        descriptor = os.open(path, os.O_WRONLY)
        for offset in chosen:
            os.pwrite(descriptor, page, offset)
        os.close(descriptor)
        return now() - start

    yield step


@contextlib.contextmanager
def sequential_write(directory, mebibytes=256):
    path = os.path.join(directory, f"large-{mebibytes}")
    block = os.urandom(MEBIBYTE)

    def step(_):
        # What is left for the disk to do from the turn before is none of this one's business.
        os.sync()
        start = now()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for _ in range(mebibytes):
            os.write(descriptor, block)
        os.close(descriptor)
        return now() - start

    yield step


def sequential_read(hot):
    """Reads a whole large file; unless `hot`, the kernel's copy of it is dropped before."""

    @contextlib.contextmanager
    def operation(directory, mebibytes=256):
        path = large_file(directory, mebibytes)
        buffer = bytearray(MEBIBYTE)

        def step(_):
            descriptor = os.open(path, os.O_RDONLY)
            if not hot:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            start = now()
            while os.readv(descriptor, [buffer]):
                pass
            taken = now() - start
            os.close(descriptor)
            return taken

        yield step

    return operation
