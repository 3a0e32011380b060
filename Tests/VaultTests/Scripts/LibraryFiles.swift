import Glibc
import PeerScripts
import Synchronization
import VirtualFS

/// A person's calls, made to a file system without a kernel above it.
final class LibraryFiles: PersonFiles {
  let fs: VirtualFileSystem
  let user = Credentials(user: 1000, group: 1000)
  private var handles: [Int: HandleID] = [:]

  init(_ fs: VirtualFileSystem) { self.fs = fs }

  func write(_ path: String, _ bytes: [UInt8]) throws {
    try call {
      let (parent, name) = try split(path)
      var options = OpenOptions()
      (options.write, options.truncate) = (true, true)
      let made = try fs.create(name, in: parent, mode: 0o644, options: options, exclusive: false, by: user)
      fs.forget(made.entry.attributes.inode, lookups: 1)
      try write(bytes, at: 0, to: made.handle)
    }
  }

  func overwrite(_ path: String, at offset: Int, _ bytes: [UInt8]) throws {
    try call {
      var options = OpenOptions()
      options.write = true
      try write(bytes, at: Int64(offset), to: try fs.open(inode(path), options: options, by: user))
    }
  }

  /// Writes, and closes as the kernel does.
  private func write(_ bytes: [UInt8], at offset: Int64, to handle: HandleID) throws {
    defer { fs.release(handle) }
    let count: Int = try reply { reply in
      unsafe bytes.withUnsafeBytes { unsafe fs.write(handle, at: offset, bytes: $0, reply: reply) }
    }
    guard count == bytes.count else { throw CallError(ENOSPC) }
    try reply { fs.flush(handle, reply: $0) }
  }

  func read(_ path: String) throws -> [UInt8] {
    let descriptor = try open(path)
    defer { close(descriptor: descriptor) }
    return try read(descriptor: descriptor)
  }

  func open(_ path: String) throws -> Int {
    try call {
      var options = OpenOptions()
      options.read = true
      let descriptor = (handles.keys.max() ?? 2) + 1
      handles[descriptor] = try fs.open(inode(path), options: options, by: user)
      return descriptor
    }
  }

  func read(descriptor: Int) throws -> [UInt8] {
    try call {
      guard let handle = handles[descriptor] else { throw CallError(EBADF) }
      return try unsafe fs.read(handle, at: 0, count: 1 << 26) { unsafe [UInt8]($0) }
    }
  }

  func close(descriptor: Int) { if let handle = handles.removeValue(forKey: descriptor) { fs.release(handle) } }

  func makeDirectory(_ path: String) throws {
    try call {
      let (parent, name) = try split(path)
      try forget { fs.makeDirectory(name, in: parent, mode: 0o755, by: user, reply: $0) }
    }
  }

  func removeDirectory(_ path: String) throws {
    try call {
      let (parent, name) = try split(path)
      try reply { fs.removeDirectory(name, in: parent, by: user, reply: $0) }
    }
  }

  func rename(_ path: String, to newPath: String) throws {
    try call {
      let (old, new) = (try split(path), try split(newPath))
      try reply {
        fs.rename(old.name, in: old.parent, to: new.name, in: new.parent, flags: .none, by: user, reply: $0)
      }
    }
  }

  func removeFile(_ path: String) throws {
    try call {
      let (parent, name) = try split(path)
      try reply { fs.removeFile(name, in: parent, by: user, reply: $0) }
    }
  }

  func link(_ path: String, as newPath: String) throws {
    try call {
      let (parent, name) = try split(newPath)
      let inode = try inode(path)
      try forget { fs.makeLink(name, in: parent, to: inode, by: user, reply: $0) }
    }
  }

  func makeSymbolicLink(_ path: String, to target: String) throws {
    try call {
      let (parent, name) = try split(path)
      try forget { fs.makeSymbolicLink(name, in: parent, target: [UInt8](target.utf8), by: user, reply: $0) }
    }
  }

  func readSymbolicLink(_ path: String) throws -> String {
    try call { String(decoding: try fs.readLink(try inode(path, followsLast: false)), as: UTF8.self) }
  }

  func setMode(_ path: String, _ mode: UInt16) throws {
    try call {
      var change = AttributeChange()
      change.mode = mode
      let inode = try inode(path)
      let _: Attributes = try reply { fs.setAttributes(of: inode, change, handle: nil, by: user, reply: $0) }
    }
  }

  func mode(_ path: String) throws -> UInt16 { try call { try fs.attributes(of: try inode(path)).mode & 0o7777 } }

  func list(_ path: String) throws -> [String] {
    try call {
      var names: [String] = []
      try fs.readDirectory(try inode(path), from: 0, plus: false) { entry in
        names.append(String(decoding: entry.name, as: UTF8.self))
        return true
      }
      return names.filter { ![".", "..", ".conflicts"].contains($0) }.sorted()
    }
  }

  // MARK: The kernel's part

  /// Walks a path; the lookups are taken back.
  private func inode(_ path: String, followsLast: Bool = true) throws -> InodeID {
    var inode = InodeID.root
    let parts = path.split(separator: "/")
    for (index, part) in parts.enumerated() {
      let attributes = try fs.lookup(try Name(part.utf8), in: inode).attributes
      fs.forget(attributes.inode, lookups: 1)
      inode = attributes.inode
      if attributes.kind == .symbolicLink, followsLast || index < parts.count - 1 {
        let target = String(decoding: try fs.readLink(inode), as: UTF8.self)
        inode = try self.inode((parts[..<index] + [Substring(target)]).joined(separator: "/"))
      }
    }
    return inode
  }

  func split(_ path: String) throws -> (parent: InodeID, name: Name) {
    let parts = path.split(separator: "/")
    guard let last = parts.last else { throw CallError(EINVAL) }
    return (try inode(parts.dropLast().joined(separator: "/")), try Name(last.utf8))
  }

  /// The value that a request is replied with; all replies have come when the call returns, as no other thread commits.
  func reply<Value: Sendable>(_ body: (@escaping Reply<Value>) -> Void) throws -> Value {
    let answer = Answer<Value>()
    body { result in answer.result.withLock { $0 = result } }
    guard let result = answer.result.withLock({ $0 }) else { throw CallError(EBUSY) }
    return try result.get()
  }

  private func forget(_ body: (@escaping Reply<Entry>) -> Void) throws {
    let entry: Entry = try reply(body)
    fs.forget(entry.attributes.inode, lookups: 1)
  }

  func call<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as VFSError { throw CallError(error.errno) }
  }
}

private final class Answer<Value: Sendable>: Sendable {
  let result = Mutex<Result<Value, VFSError>?>(nil)
}

extension VFSError {
  /// As the mount tells it; what scripts do not meet is an I/O error.
  fileprivate var errno: Int32 {
    switch code {
    case .notFound: ENOENT
    case .exists: EEXIST
    case .notDirectory: ENOTDIR
    case .isDirectory: EISDIR
    case .notEmpty: ENOTEMPTY
    case .readOnly: EROFS
    case .invalidArgument: EINVAL
    default: EIO
    }
  }
}
