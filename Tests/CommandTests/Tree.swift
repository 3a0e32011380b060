import TestSupport
import Testing

/// A directory tree as a backup has to give it back.
enum Tree {
  /// One line a path: kind, mode, owners, mtime in ns, size, content or target, extended attributes, and which names are hard links of one file.
  static func manifest(of directory: String) throws -> String {
    try Program.check(["timeout", "300", "python3", "-c", describe, directory]).text
  }

  /// Compares two manifests line by line, so that a failure shows the paths that differ and not everything.
  static func expectSame(_ found: String, _ expected: String) {
    let (found, expected) = (found.split(separator: "\n"), expected.split(separator: "\n"))
    for difference in found.difference(from: expected) {
      switch difference {
      case .insert(_, let line, _): Issue.record("found: \(line)")
      case .remove(_, let line, _): Issue.record("expected: \(line)")
      }
    }
  }

  /// Fills `directory` with every kind of file; the same at every call.
  static func build(in directory: String) throws {
    try Program.check(["timeout", "300", "python3", "-c", fill, directory])
  }

  private static let describe = """
    import hashlib, os, stat, sys
    first = {}
    def content(path, status):
        if stat.S_ISLNK(status.st_mode): return os.readlink(path).hex()
        if stat.S_ISREG(status.st_mode):
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                while piece := file.read(1 << 20): digest.update(piece)
            return digest.hexdigest()
        return "-"
    def line(path, name):
        s = os.lstat(path)
        size = s.st_size if stat.S_ISREG(s.st_mode) or stat.S_ISLNK(s.st_mode) else 0
        links, twin = "-", "-"
        if not stat.S_ISDIR(s.st_mode):
            links, twin = s.st_nlink, first.setdefault(s.st_ino, name).hex()
        attributes = sorted(os.listxattr(path, follow_symlinks=False))
        values = ",".join(f"{a}={os.getxattr(path, a, follow_symlinks=False).hex()}" for a in attributes)
        print(name.hex(), ascii(name), oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns, size, content(path, s), links, twin, values)
    def walk(path, name):
        line(path, name)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            for entry in sorted(os.listdir(path)):
                walk(path + b"/" + entry, entry if name == b"." else name + b"/" + entry)
    walk(os.fsencode(sys.argv[1]), b".")
    """

  private static let fill = """
    import os, random, sys
    os.chdir(os.fsencode(sys.argv[1]))
    os.umask(0o022)
    randomness = random.Random(20_261)
    MiB = 1 << 20
    def file(name, content, mode=0o600):
        with open(name, "wb") as f: f.write(content)
        os.chmod(name, mode)
    file(b"password", b"hunter2")
    file(b"empty", b"", 0o640)
    file(b"script", b"#!/bin/sh\\nexit 0\\n", 0o4755)
    file(b"one part", randomness.randbytes(MiB))
    file(b"one part and a byte", randomness.randbytes(MiB + 1))
    file(b"50 MiB", randomness.randbytes(50 * MiB), 0o644)
    with open(b"sparse", "wb") as f:
        f.seek(3 * MiB + 17); f.write(b"in the middle"); f.truncate(9 * MiB + 1)
    os.mkdir(b"db"); os.mkdir(b"db/empty", 0o700); os.mkdir(b"db/closed")
    file(b"db/closed/key", b"k" * 511, 0o400)
    file(b"db/" + "Schlüssel für 東京 🔑".encode(), "Größe".encode())
    file(b"db/\\xff\\xfe not utf-8 \\x80", b"bytes")
    file(b"db/new\\nline and 'quotes\\"", b"odd")
    file(b"-rf", b"starts with a dash")
    file(b"n" * 255, b"the longest name")
    deep = b"/".join([b"deep" * 20] * 5)
    os.makedirs(deep); file(deep + b"/leaf", b"far down")
    os.symlink(b"db/closed/key", b"link"); os.symlink(b"/nowhere/\\xff", b"dangling"); os.symlink(b"t" * 3000, b"long link")
    os.link(b"password", b"db/password too"); os.link(b"password", b"db/closed/password three")
    file(b"large", randomness.randbytes(2 * MiB + 4321)); os.link(b"large", b"db/large too")
    os.mkfifo(b"fifo", 0o620)
    os.setxattr(b"password", b"user.origin", b"vault of the \\xffbank\\0"); os.setxattr(b"password", b"user.empty", b"")
    os.setxattr(b"large", b"user.big", randomness.randbytes(3000)); os.setxattr(b"db", b"user.on a directory", b"yes")
    if os.getuid() == 0:
        os.chown(b"db/closed/key", 4242, 2_000_000_000)
        os.lchown(b"link", 33, 33)
    os.chmod(b"db/closed", 0o2550); os.chmod(b"db/empty", 0o1777)
    # Last, and the deepest first, as every change in a directory changes the directory's own time.
    at = 1_000_000_000_000_000_001
    for path, folders, names in os.walk(b".", topdown=False):
        for name in sorted(folders) + sorted(names):
            at += 86_400_123_456_789
            os.utime(os.path.join(path, name), ns=(at, at), follow_symlinks=False)
    # Files of several directories stay older than these all: a mount shows no directory as older than its entries.
    os.utime(b"password", ns=(-1_500_000_001, -1_500_000_001))
    os.utime(b"large", ns=(987_654_321_000_000_001, 987_654_321_000_000_001))
    os.utime(b".", ns=(at + 1, at + 1))
    """
}
