"""The operations on secrets that are timed. Each is a context manager: given a directory it prepares what it needs and yields a function from a
running number to nanoseconds, in which nothing but the operation itself is timed."""

import contextlib
import os
import random
from time import perf_counter_ns as now

import drive

PAGE = 4096
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
REWRITE = os.O_WRONLY | os.O_TRUNC
FILES = 2000


def write_file(path, value=None, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    descriptor = os.open(path, flags, 0o600)
    os.write(descriptor, drive.value() if value is None else value)
    os.close(descriptor)


def folder(directory, name):
    path = os.path.join(directory, name)
    os.makedirs(path, exist_ok=True)
    return path


def files(directory, count=FILES):
    """The paths of so many files in one directory, written if they are not there."""
    place = folder(directory, f"files-{count}")
    paths = [f"{place}/secret-{index:05}" for index in range(count)]
    if not os.path.exists(paths[-1]):
        for path in paths:
            write_file(path)
    return paths


@contextlib.contextmanager
def create(directory):
    place = folder(directory, "created")

    def step(number):
        path = f"{place}/secret-{number:05}"
        start = now()
        descriptor = os.open(path, NEW, 0o600)
        os.write(descriptor, drive.value())
        os.close(descriptor)
        return now() - start

    yield step


@contextlib.contextmanager
def unlink(directory):
    """Removes what `create` has left, after as many rounds."""
    place = folder(directory, "created")

    def step(number):
        path = f"{place}/secret-{number:05}"
        if not os.path.exists(path):
            write_file(path)
        start = now()
        os.unlink(path)
        return now() - start

    yield step


@contextlib.contextmanager
def rewrite(directory):
    path = folder(directory, "one") + "/rewritten"
    write_file(path)

    def step(_):
        start = now()
        descriptor = os.open(path, REWRITE)
        os.write(descriptor, drive.value())
        os.close(descriptor)
        return now() - start

    yield step


@contextlib.contextmanager
def rewrite_fsync(directory):
    path = folder(directory, "one") + "/synced"
    write_file(path)

    def step(_):
        start = now()
        descriptor = os.open(path, REWRITE)
        os.write(descriptor, drive.value())
        os.fsync(descriptor)
        os.close(descriptor)
        return now() - start

    yield step


def save_by_rename(new_name):
    """Writes a new file beside the old one and renames it, as editors and tools do."""

    @contextlib.contextmanager
    def operation(directory):
        place = folder(directory, "one")
        path, new = f"{place}/saved", f"{place}/{new_name}"
        write_file(path)

        def step(_):
            start = now()
            descriptor = os.open(new, NEW, 0o600)
            os.write(descriptor, drive.value())
            os.close(descriptor)
            os.rename(new, path)
            return now() - start

        yield step

    return operation


def hot_file(directory):
    """The one file of an empty file system, or a file like it."""
    path = os.path.join(directory, "file")
    if not os.path.exists(path):
        write_file(path)
    return path


@contextlib.contextmanager
def read_hot(directory):
    path = hot_file(directory)

    def step(_):
        start = now()
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, PAGE)
        os.close(descriptor)
        return now() - start

    yield step


@contextlib.contextmanager
def cat(directory):
    path = hot_file(directory)

    def step(_):
        start = now()
        descriptor = os.open(path, os.O_RDONLY)
        os.fstat(descriptor)
        os.read(descriptor, 131072)
        os.read(descriptor, 131072)
        os.close(descriptor)
        return now() - start

    yield step


@contextlib.contextmanager
def read_any(directory):
    paths = list(files(directory))
    random.Random(2000).shuffle(paths)

    def step(number):
        path = paths[number % FILES]
        start = now()
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, PAGE)
        os.close(descriptor)
        return now() - start

    yield step


@contextlib.contextmanager
def stat(directory):
    path = hot_file(directory)

    def step(_):
        start = now()
        os.stat(path)
        return now() - start

    yield step


@contextlib.contextmanager
def readdir(directory):
    place = os.path.dirname(files(directory)[0])

    def step(_):
        start = now()
        os.listdir(place)
        return now() - start

    yield step


@contextlib.contextmanager
def list_long(directory):
    """What `ls -l` asks for: every name, and an lstat of each."""
    place = os.path.dirname(files(directory)[0])

    def step(_):
        start = now()
        with os.scandir(place) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
        return now() - start

    yield step


@contextlib.contextmanager
def many_then_sync(directory):
    """Two hundred rewrites and sync(1): what is left for later counts too. Per rewrite."""
    paths = files(directory)[:200]

    def step(_):
        os.sync()
        start = now()
        for path in paths:
            write_file(path)
        os.sync()
        return (now() - start) // len(paths)

    yield step
