internal import Glibc

/// Git's lock on a file: `NAME.lock`, made only if it does not exist, which becomes the file.
///
/// Ours carry the sticky bit, which means nothing on a file and which no other program sets. Whoever takes one holds the
/// repository's `references` lock, which the kernel releases when its holder dies; so a marked lock file found then belongs to a
/// dead process of ours and is removed. An unmarked one is another program's and is waited for.
final class LockFile {
  private let file: Descriptor
  private let root: Directory
  private let target: String
  private let spare: String
  private var isDone = false
  /// Whether a dead process of ours held it: the reference may be in any state between its old and its new one, none of it durable.
  private(set) var wasAbandoned = false

  private static let marked: mode_t = 0o1644

  /// Takes the lock on `target`.
  ///
  /// The file `spare` is made the lock file if it is there, and is where the replaced file is put in the end: ext4 looks at each inode
  ///   freed in the last minutes whenever it creates a file, so that freeing one per commit makes each thousandth commit 0.2 ms
  ///   slower; the files of replaced values are therefore used again. Only for `target`: after a power loss a file may hold what it
  ///   held before, which must be an older value of the same reference, not another's.
  init(taking target: String, in root: Directory, spare: String) throws(GitError) {
    self.root = root
    self.target = target
    self.spare = spare
    let path = target + ".lock"
    var waited = 0
    var attempts = 0
    while true {
      if let file = try Self.adopt(spare, as: path, in: root) {
        self.file = file
        return
      }
      if let file = try root.openFile(path, O_WRONLY | O_CREAT | O_EXCL, mode: Self.marked) {
        self.file = file
        return
      }
      guard let status = try root.status(path) else {
        // What is still in the way after a few times is a file where a directory should be.
        guard attempts < 8 else { throw .invalidReferenceName }
        attempts += 1
        try root.makeParents(of: path)
        continue
      }
      if status.mode & S_ISVTX != 0 {
        try root.remove(path)
        wasAbandoned = true
        continue
      }
      // Git itself waits 0.1 s for a reference and 1 s for packed-refs.
      guard waited < 1000 else { throw .referenceLocked }
      waited += 1
      usleep(1000)
    }
  }

  private static func adopt(_ spare: String, as path: String, in root: Directory) throws(GitError) -> Descriptor? {
    guard let file = try root.openFile(spare, O_WRONLY) else { return nil }
    let status = try root.status(of: file)
    // A file with another link is someone's copy of the repository, not to be written.
    guard status.mode == S_IFREG | marked, status.links == 1 else {
      try root.remove(spare)
      return nil
    }
    return try root.renameIfFree(spare, to: path) ? file : nil
  }

  /// Writes the new contents.
  func write(_ bytes: [UInt8]) throws(GitError) {
    try root.write(bytes, to: file)
    if try root.status(of: file).size != bytes.count { try root.truncate(file, to: bytes.count) }
  }

  /// Begins writing the contents to the disk; only a hint.
  func startWriteback() { root.startWriteback(file) }

  /// Waits until the contents are on the disk.
  func sync() throws(GitError) { try root.syncData(file) }

  /// Puts the new file in the place of the old one, in one step.
  ///
  /// The old file is moved to `preserved`, if that is given and nothing is there: what is there then is older, and surely durable.
  ///
  /// A plain rename over an existing file makes ext4 allocate and submit the new file's data at once (`auto_da_alloc`), at 0.17 ms
  /// more than all the rest. Exchanging the names does not. What is lost is that after a power loss the reference surely holds its old or
  /// its new value; recovery has the last durable one for that, which the same journal keeps.
  func commit(preservingOldAs preserved: String? = nil) throws(GitError) {
    let path = target + ".lock"
    if let old = try root.status(target), old.isFile {
      // From the exchange on, the old file is the lock, and must be known as ours.
      if old.mode & 0o7777 != Self.marked { try root.setMode(target, Self.marked) }
      if try root.exchange(path, target) {
        isDone = true
        if let preserved, try root.renameIfFree(path, to: preserved) { return }
        return try root.rename(path, to: spare)
      }
      // A file system that cannot exchange: what is going to be replaced is copied first.
      if let preserved, try root.status(preserved) == nil, let value = try root.read(target) {
        try root.replace(preserved, with: value, temporary: spare, durable: true)
      }
    }
    try root.rename(path, to: target)
    isDone = true
  }

  deinit {
    if !isDone { try? root.remove(target + ".lock") }
  }
}
