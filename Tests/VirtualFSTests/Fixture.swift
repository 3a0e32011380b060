import Synchronization
import Testing

@testable import VirtualFS

/// A file system over a ``MemoryBacking`` with clocks that tests set, and calls by path that wait for their replies.
final class Fixture: Sendable {
  let backing: MemoryBacking
  let fs: VirtualFileSystem
  let clock: Clock
  let invalidations: Recorder

  final class Clock: Sendable {
    private let ticks = Atomic<UInt64>(1_000_000_000_000)
    var monotonic: UInt64 { ticks.load(ordering: .relaxed) }
    /// Each reading is a microsecond later.
    var now: Timestamp {
      let time = ticks.add(1000, ordering: .relaxed).newValue
      return Timestamp(seconds: Int64(time / 1_000_000_000), nanoseconds: UInt32(time % 1_000_000_000))
    }
    func advance(seconds: Double) { ticks.add(UInt64(seconds * 1e9), ordering: .relaxed) }
  }

  final class Recorder: Sendable {
    private let list = Guarded<[Invalidation]>([])
    func add(_ new: [Invalidation]) { list.withLock { $0 += new } }
    func take() -> [Invalidation] {
      list.withLock { list in
        defer { list = [] }
        return list
      }
    }
  }

  convenience init(_ backing: MemoryBacking = MemoryBacking(), _ change: (inout Options) -> Void = { _ in }) {
    self.init(over: backing, backing, change)
    if !backing.nodes.isEmpty { fs.populate(backing.nodes) }
  }

  /// Over any backing, unpopulated; `backing` is then of no use.
  init(
    over store: any Backing, _ backing: MemoryBacking = MemoryBacking(), _ change: (inout Options) -> Void = { _ in }
  ) {
    var options = Options()
    change(&options)
    let clock = Clock()
    let recorder = Recorder()
    self.backing = backing
    self.clock = clock
    invalidations = recorder
    fs = VirtualFileSystem(
      backing: store, options: options, now: { clock.now }, monotonic: { clock.monotonic },
      invalidate: { recorder.add($0) })
  }

  /// A fresh file system over what is stored.
  func remounted(_ change: (inout Options) -> Void = { _ in }) -> Fixture { Fixture(backing, change) }

  /// As after a power loss: a fresh file system over what is stored, and what is kept beside it.
  func restarted(_ change: (inout Options) -> Void = { _ in }) -> Fixture {
    let again = remounted(change)
    again.fs.restoreKept(backing.storage.withLock { Array(($0.kept ?? [:]).values) })
    return again
  }
}

let user = Credentials(user: 1000, group: 1000)
let superuser = Credentials(user: 0, group: 0)

/// A reply that must have come exactly once.
final class Answer<Value: Sendable>: Sendable {
  private let results = Guarded<[Result<Value, VFSError>]>([])
  var reply: Reply<Value> { { result in self.results.withLock { $0.append(result) } } }
  var count: Int { results.withLock { $0.count } }
  func get() throws(VFSError) -> Value {
    let results = results.withLock { $0 }
    #expect(results.count == 1, "a request has exactly one reply")
    guard let first = results.first else { throw VFSError(.busy) }
    return try first.get()
  }
}

func waiting<Value: Sendable>(_ body: (@escaping Reply<Value>) -> Void) throws(VFSError) -> Value {
  let answer = Answer<Value>()
  body(answer.reply)
  return try answer.get()
}

extension OpenOptions {
  static func only(_ paths: WritableKeyPath<OpenOptions, Bool>...) -> OpenOptions {
    var options = OpenOptions()
    for path in paths { options[keyPath: path] = true }
    return options
  }
  static var readOnly: OpenOptions { only(\.read) }
  static var readWrite: OpenOptions { only(\.read, \.write) }
}

func name(_ text: String) -> Name {
  guard let name = try? Name(text.utf8) else { preconditionFailure("a test's names are valid") }
  return name
}

extension Fixture {
  /// Walks a path; the lookups are taken back.
  func inode(_ path: String) throws(VFSError) -> InodeID {
    var inode = InodeID.root
    for part in path.split(separator: "/") {
      let next = try fs.lookup(name(String(part)), in: inode).attributes.inode
      fs.forget(next, lookups: 1)
      inode = next
    }
    return inode
  }

  func split(_ path: String) throws(VFSError) -> (parent: InodeID, name: Name) {
    let parts = path.split(separator: "/")
    return (try inode(parts.dropLast().joined(separator: "/")), name(String(parts[parts.count - 1])))
  }

  func stat(_ path: String) throws(VFSError) -> Attributes { try fs.attributes(of: inode(path)) }
  func exists(_ path: String) -> Bool { (try? inode(path)) != nil }

  @discardableResult
  func mkdir(_ path: String, mode: UInt16 = 0o755, by: Credentials = user) throws(VFSError) -> InodeID {
    let (parent, name) = try split(path)
    let entry: Entry = try waiting { fs.makeDirectory(name, in: parent, mode: mode, by: by, reply: $0) }
    fs.forget(entry.attributes.inode, lookups: 1)
    return entry.attributes.inode
  }

  func mknod(_ path: String, _ kind: FileKind, mode: UInt16 = 0o644, by: Credentials = user) throws(VFSError) {
    let (parent, name) = try split(path)
    let entry: Entry = try waiting { fs.makeNode(name, in: parent, kind: kind, mode: mode, by: by, reply: $0) }
    fs.forget(entry.attributes.inode, lookups: 1)
  }

  func symlink(_ target: String, _ path: String) throws(VFSError) {
    let (parent, name) = try split(path)
    let entry: Entry = try waiting {
      fs.makeSymbolicLink(name, in: parent, target: Array(target.utf8), by: user, reply: $0)
    }
    fs.forget(entry.attributes.inode, lookups: 1)
  }

  func link(_ old: String, _ new: String) throws(VFSError) {
    let (parent, name) = try split(new)
    let inode = try inode(old)
    let entry: Entry = try waiting { fs.makeLink(name, in: parent, to: inode, by: user, reply: $0) }
    fs.forget(entry.attributes.inode, lookups: 1)
  }

  func unlink(_ path: String, by: Credentials = user) throws(VFSError) {
    let (parent, name) = try split(path)
    try waiting { fs.removeFile(name, in: parent, by: by, reply: $0) }
  }

  func rmdir(_ path: String) throws(VFSError) {
    let (parent, name) = try split(path)
    try waiting { fs.removeDirectory(name, in: parent, by: user, reply: $0) }
  }

  func rename(_ old: String, _ new: String, _ flags: RenameFlags = .none, by: Credentials = user) throws(VFSError) {
    let (a, b) = (try split(old), try split(new))
    try waiting { fs.rename(a.name, in: a.parent, to: b.name, in: b.parent, flags: flags, by: by, reply: $0) }
  }

  func create(
    _ path: String, mode: UInt16 = 0o644, options: OpenOptions = .readWrite, exclusive: Bool = true,
    by: Credentials = user
  ) throws(VFSError) -> HandleID {
    let (parent, name) = try split(path)
    let made = try fs.create(name, in: parent, mode: mode, options: options, exclusive: exclusive, by: by)
    fs.forget(made.entry.attributes.inode, lookups: 1)
    return made.handle
  }

  func open(_ path: String, _ options: OpenOptions = .readWrite, by: Credentials = user) throws(VFSError) -> HandleID {
    try fs.open(inode(path), options: options, by: by)
  }

  @discardableResult
  func write(_ handle: HandleID, _ bytes: [UInt8], at offset: Int64 = 0) throws(VFSError) -> Int {
    try waiting { reply in
      unsafe bytes.withUnsafeBytes { unsafe fs.write(handle, at: offset, bytes: $0, reply: reply) }
    }
  }

  func read(_ handle: HandleID, at offset: Int64 = 0, count: Int = 1 << 24) throws(VFSError) -> [UInt8] {
    try unsafe fs.read(handle, at: offset, count: count) { unsafe [UInt8]($0) }
  }

  func flush(_ handle: HandleID) throws(VFSError) { try waiting { fs.flush(handle, reply: $0) } }
  func fsync(_ handle: HandleID) throws(VFSError) { try waiting { fs.synchronize(handle, reply: $0) } }
  func sync() throws(VFSError) { try waiting { fs.synchronizeAll(reply: $0) } }
  func refresh() throws(VFSError) { try waiting { fs.refresh(reply: $0) } }

  func close(_ handle: HandleID) throws(VFSError) {
    defer { fs.release(handle) }
    try flush(handle)
  }

  /// Does `echo text > path`.
  func put(_ path: String, _ bytes: [UInt8]) throws(VFSError) {
    let handle = try create(path, options: .only(\.write, \.truncate), exclusive: false)
    try write(handle, bytes)
    try close(handle)
  }

  func put(_ path: String, _ text: String) throws(VFSError) { try put(path, Array(text.utf8)) }

  func bytes(_ path: String) throws(VFSError) -> [UInt8] {
    let handle = try open(path, .readOnly)
    defer { fs.release(handle) }
    return try read(handle)
  }

  func text(_ path: String) throws(VFSError) -> String { String(decoding: try bytes(path), as: UTF8.self) }

  @discardableResult
  func set(
    _ path: String, by: Credentials = user, handle: HandleID? = nil, _ edit: (inout AttributeChange) -> Void
  ) throws(VFSError) -> Attributes {
    var change = AttributeChange()
    edit(&change)
    let inode = try inode(path)
    return try waiting { fs.setAttributes(of: inode, change, handle: handle, by: by, reply: $0) }
  }

  func truncate(_ path: String, _ size: Int64) throws(VFSError) { try set(path) { $0.size = size } }

  func list(_ path: String = "") throws(VFSError) -> [String] {
    var names: [String] = []
    try fs.readDirectory(inode(path), from: 0, plus: false) { entry in
      names.append(String(decoding: entry.name, as: UTF8.self))
      return true
    }
    return names.filter { $0 != "." && $0 != ".." }
  }

  /// All paths and what is at them, in a comparable form; sockets are left out as they are not stored.
  func tree(_ path: String = "") throws(VFSError) -> [String: String] {
    var result: [String: String] = [:]
    for name in try list(path) {
      let child = path.isEmpty ? name : "\(path)/\(name)"
      let inode = try inode(child)
      let attributes = try fs.attributes(of: inode)
      var text = "\(attributes.kind) \(attributes.mode) \(attributes.owner) \(attributes.size)"
      switch attributes.kind {
      case .regular: text += " \(attributes.links) \(try bytes(child).digest)"
      case .symbolicLink: text += " \(try fs.readLink(inode))"
      case .directory: result.merge(try tree(child)) { a, _ in a }
      default: break
      }
      for key in try fs.attributeNames(of: inode) { text += " \(key)=\(try fs.attribute(key, of: inode))" }
      if attributes.kind != .socket { result[child] = text }
    }
    return result
  }
}

extension [UInt8] {
  /// FNV-1a over the bytes.
  var digest: UInt64 {
    unsafe withUnsafeBytes { bytes in
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325
      var index = 0
      while index + 8 <= bytes.count {
        unsafe hash = (hash ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) &* 0x100_0000_01b3
        hash ^= hash >> 29
        index += 8
      }
      while index < bytes.count {
        unsafe hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01b3
        index += 1
      }
      return hash
    }
  }
}

/// Expects a VFSError of this code.
func expect(
  _ code: VFSError.Code, _ body: () throws -> Void, location: SourceLocation = #_sourceLocation
) {
  let error = #expect(throws: VFSError.self, sourceLocation: location) { try body() }
  #expect(error?.code == code, sourceLocation: location)
}
