"""The two operations whose cost is taken apart, many times over; also a program, for tools that trace a server while it runs.

Usage: drive.py commit|cat FILE COUNT
"""

import itertools
import os
import sys
import time

_numbers = itertools.count(time.time_ns())


def value():
    """100 bytes that were never written before: what is rewritten with the bytes that it has is no version."""
    return b"%0100d" % next(_numbers)


def commit(path, count):
    """Rewrites a secret, as `echo > FILE` does."""
    for _ in range(count):
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        os.write(descriptor, value())
        os.close(descriptor)


def cat(path, count):
    """Reads a file with the calls of cat(1)."""
    for _ in range(count):
        descriptor = os.open(path, os.O_RDONLY)
        os.fstat(descriptor)
        os.read(descriptor, 131072)
        os.read(descriptor, 131072)
        os.close(descriptor)


OPERATIONS = {"commit": commit, "cat": cat}

if __name__ == "__main__":
    OPERATIONS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
