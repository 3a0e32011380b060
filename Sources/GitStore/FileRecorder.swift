internal import CLibGit2
internal import Glibc
internal import Synchronization

/// Notes every change of the files below a directory, in order, so that a test can tell what a power loss may leave of them.
///
/// Only tests install one; without it a change costs one comparison more.
package final class FileRecorder: Sendable {
  /// One change, or one wait for the disk, that has returned; paths are absolute.
  package enum Operation: Sendable {
    case makeDirectory(String)
    /// A new empty file.
    case create(String, file: Int, mode: UInt32)
    /// A file that was there is going to be written.
    case open(String, file: Int)
    case write(file: Int, offset: Int, bytes: [UInt8])
    case truncate(file: Int, size: Int)
    case setMode(String, mode: UInt32)
    /// Replaces what is at `to`.
    case rename(from: String, to: String)
    case exchange(String, String)
    /// Of a file, or an empty directory.
    case remove(String)
    /// Data and size of a file.
    case syncFile(Int)
    /// The names in a directory.
    case syncDirectory(String)
    /// All there is.
    case syncEverything
  }

  private struct State {
    var operations: [Operation] = []
    /// The file that has an inode number now.
    var files: [UInt64: Int] = [:]
    var count = 0
  }

  private let prefix: String
  /// Also makes the order of the notes that of the changes: held while a change is made.
  private let state = Mutex(State())

  private static let installed = Mutex<[FileRecorder]>([])
  private static let isUsed = Atomic(false)

  /// Records all that is done below `directory`, an absolute path, by what opens a directory there from now on, until ``stop()``.
  package init(below directory: String) {
    prefix = directory
    Self.installed.withLock { $0.append(self) }
    Self.isUsed.store(true, ordering: .releasing)
  }

  package func stop() { Self.installed.withLock { $0.removeAll { $0 === self } } }

  /// All operations so far.
  package var operations: [Operation] { state.withLock { $0.operations } }

  /// How many operations there were so far.
  package var count: Int { state.withLock { $0.operations.count } }

  /// The recorder of what is at `path`; nil if there is none.
  static func covering(_ path: String) -> FileRecorder? {
    guard isUsed.load(ordering: .acquiring) else { return nil }
    return installed.withLock { $0.first { path == $0.prefix || path.hasPrefix($0.prefix + "/") } }
  }

  /// Makes a change, and notes it if it was made.
  func record<Value: ~Copyable>(
    _ change: () throws(GitError) -> Value, as operation: (borrowing Value) -> Operation?
  ) throws(GitError) -> Value {
    try state.withLock { state throws(GitError) in
      let value = try change()
      if let operation = operation(value) { state.operations.append(operation) }
      return value
    }
  }

  /// Opens a file for writing, and notes whether it is new.
  func recordOpening(
    _ path: String, mode: mode_t, exists: () -> Bool, _ open: () throws(GitError) -> Descriptor?
  ) throws(GitError) -> Descriptor? {
    try state.withLock { state throws(GitError) in
      let existed = exists()
      guard let file = try open() else { return nil }
      let inode = Self.inode(file)
      if existed, state.files[inode] != nil { return file }
      state.count += 1
      state.files[inode] = state.count
      state.operations.append(
        existed ? .open(path, file: state.count) : .create(path, file: state.count, mode: UInt32(mode)))
      return file
    }
  }

  /// Changes an open file, or waits for it; `operation` gets its number.
  func record(
    _ file: Descriptor, _ change: () throws(GitError) -> Void, as operation: (Int) -> Operation
  ) throws(GitError) {
    try state.withLock { state throws(GitError) in
      try change()
      if let number = state.files[Self.inode(file)] { state.operations.append(operation(number)) }
    }
  }

  // MARK: For files beside repositories

  /// Notes that a file was written, synced, and given a name, which was synced too.
  package static func noteReplacing(_ path: String, with bytes: UnsafeRawBufferPointer, mode: UInt32) {
    guard let recorder = covering(path) else { return }
    recorder.state.withLock { state in
      state.count += 1
      let (file, temporary) = (state.count, "\(path).new")
      state.operations += unsafe [
        .create(temporary, file: file, mode: mode), .write(file: file, offset: 0, bytes: [UInt8](bytes)),
        .syncFile(file), .rename(from: temporary, to: path), .syncDirectory(Directory.parent(of: path)),
      ]
    }
  }

  package static func noteMaking(_ directory: String) { covering(directory)?.note([.makeDirectory(directory)]) }

  package static func noteRemoving(_ path: String) { covering(path)?.note([.remove(path)]) }

  package static func noteRenaming(_ path: String, to other: String) {
    covering(path)?.note([.rename(from: path, to: other), .syncDirectory(Directory.parent(of: other))])
  }

  private func note(_ operations: [Operation]) { state.withLock { $0.operations += operations } }

  private static func inode(_ file: Descriptor) -> UInt64 {
    var status = stat()
    return unsafe fstat(file.raw, &status) == 0 ? UInt64(status.st_ino) : 0
  }
}
