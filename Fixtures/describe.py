#!/usr/bin/env python3
"""Prints what is below a directory, a JSON object a line, in order of paths: contents and metadata, but no owners."""
import hashlib, json, os, stat, sys

root = os.fsencode(sys.argv[1])


def describe(path):
    full = os.path.join(root, path) if path else root
    status = os.lstat(full)
    entry = {"path": path.hex(), "mode": oct(status.st_mode), "mtime": status.st_mtime_ns}
    if stat.S_ISREG(status.st_mode):
        with open(full, "rb") as file:
            content = file.read()
        entry |= {"size": status.st_size, "links": status.st_nlink, "sha256": hashlib.sha256(content).hexdigest()}
    if stat.S_ISLNK(status.st_mode):
        entry["target"] = os.readlink(full).hex()
    else:
        entry["xattrs"] = {name: os.getxattr(full, name).hex() for name in sorted(os.listxattr(full))}
    print(json.dumps(entry, sort_keys=True))
    if stat.S_ISDIR(status.st_mode):
        for name in sorted(os.listdir(full)):
            describe(os.path.join(path, name) if path else name)


describe(b"")
