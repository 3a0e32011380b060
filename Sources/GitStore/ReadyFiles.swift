internal import Dispatch
internal import Glibc
internal import Synchronization

/// Empty files made ahead, off the writers' way, to become objects by a rename.
///
/// On ext4 making a file is most of what writing a small object costs (30 to 270 µs, as it looks for a free inode that was not freed
/// in the last minutes); renaming one costs 20.
final class ReadyFiles: Sendable {
  private let root: Directory
  private let prefix: String
  private let stock = Mutex(Stock())
  private let making = DispatchQueue(label: "polykey.ready-files", qos: .utility)

  private struct Stock {
    var files: [Ready] = []
    var made: UInt64 = 0
    /// Files to keep; 0 until someone who writes much asks for them.
    var target = 0
    var isMaking = false
  }

  /// One file, open for writing.
  struct Ready: Sendable {
    let path: String
    let file: Descriptor
  }

  /// Where they are; git ignores it.
  static let directory = "polykey/ready"

  init(in root: Directory, prefix: String) {
    self.root = root
    self.prefix = prefix
  }

  deinit { removeAll() }

  /// Keeps up to `count` files ready from the first time on that one is asked for.
  func keep(_ count: Int) { stock.withLock { $0.target = count } }

  /// An empty file of mode 0444, which is the caller's; nil if there is none.
  func take() -> Ready? {
    let (file, isLow) = stock.withLock { ($0.files.popLast(), $0.files.count < $0.target / 2 && !$0.isMaking) }
    if isLow { refill() }
    return file
  }

  /// Makes no more, and removes those that are left.
  func removeAll() {
    let files = stock.withLock { stock in
      defer { stock.files = [] }
      stock.target = 0
      return stock.files
    }
    for file in files { try? root.remove(file.path) }
  }

  private func refill() {
    stock.withLock { $0.isMaking = true }
    making.async { [weak self] in self?.make() }
  }

  private func make() {
    defer { stock.withLock { $0.isMaking = false } }
    while true {
      let number = stock.withLock { stock -> UInt64? in
        guard stock.files.count < stock.target else { return nil }
        stock.made += 1
        return stock.made
      }
      guard let number else { return }
      // Over several directories, so that making one seldom waits for another's renaming.
      let path = "\(Self.directory)/\(number % 16)/\(prefix)_\(number)"
      // What cannot be made here is made, or fails, in the next write.
      guard let file = (try? makeOne(path)) ?? nil else { return }
      let isWanted = stock.withLock { stock in
        if stock.target > 0 { stock.files.append(Ready(path: path, file: file)) }
        return stock.target > 0
      }
      if !isWanted { try? root.remove(path) }
    }
  }

  private func makeOne(_ path: String) throws(GitError) -> Descriptor? {
    if let file = try root.openFile(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444) { return file }
    try root.makeParents(of: path)
    return try root.openFile(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
  }
}
