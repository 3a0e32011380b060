internal import Age
internal import GitStore
internal import SecretMemory
internal import Synchronization
internal import TarStream
internal import VirtualFS

/// Nodes beside the versions: files that were made durable under a temporary name, and what could not be stored when a mount ended.
///
/// Each is one file of the keynode's state, in the form of an object with its whole content, encrypted to an identity that only this
/// node can derive: nobody else can put one there (docs/format.md, "State").
struct KeptNodes: Sendable {
  private let vault: Vault
  private let sealer: ObjectSealer

  init(of vault: Vault, sealer: ObjectSealer) {
    self.vault = vault
    self.sealer = sealer
  }

  /// Bytes of the largest content that is kept: it is all in memory at once.
  static let contentLimit: Int64 = 64 << 20

  private static let suffix = ".age"
  private var directory: String { "\(vault.statePath)/kept" }

  private func path(of object: ObjectID) -> String { "\(directory)/\(object.hex)\(KeptNodes.suffix)" }

  /// Keeps a node, on disk when it returns, in place of what was kept of the same object.
  ///
  /// - Throws: ``VaultError/unstorable`` if it is larger than ``contentLimit``; what reading stored content throws.
  func keep(_ node: StoredNode) throws(VaultError) {
    let form = TarForm(node)
    var pieces = [try form.header()]
    var size: Int64 = 0
    if case .regular(let content) = node.body {
      size = content.size
      guard size <= KeptNodes.contentLimit else { throw .unstorable }
      for index in content.parts.indices {
        let block = try sealer.block(content, part: index)
        pieces.append(PlainBytes(block))
        pieces.append(PlainBytes(zeros: content.length(ofPart: index) - block.count))
      }
    }
    pieces += try form.trailer(contentSize: size)
    let file: [UInt8]
    do {
      let header = try PreparedHeader(to: try vault.identity.cacheIdentity().recipient)
      // SAFETY: each pointer is used while `pieces`, which own the memory, are kept alive.
      let slices = unsafe pieces.map { unsafe $0.withBytes { unsafe $0 } }
      defer { withExtendedLifetime(pieces) {} }
      file = unsafe header.encrypt(gathering: slices)
    } catch {
      throw .memoryUnavailable
    }
    try Files.makeDirectory(directory)
    try Files.replace(path(of: node.object), with: file, mode: 0o600)
  }

  /// Forgets what is kept of an object, if anything is.
  func discard(_ object: ObjectID) { try? Files.remove(path(of: object)) }

  /// Makes what was discarded be so after a power loss, too.
  func flush() throws(VaultError) {
    // Somebody may have deleted the keynode's state.
    if Files.exists(directory) { try Files.synchronize(directory) }
  }

  /// All that is kept, content and all; what does not open stays where it is, and is left out.
  func all() throws(VaultError) -> [StoredNode] {
    var nodes: [StoredNode] = []
    for name in try Files.names(in: directory) where name.hasSuffix(KeptNodes.suffix) {
      let digits = Array(name.utf8.dropLast(KeptNodes.suffix.utf8.count))
      guard digits.count == 32, let high = Hex.value(digits[0]), let low = Hex.value(digits[1]),
        let object = ObjectID(fan: Int(high << 4 | low), digits: digits.dropFirst(2))
      else { continue }
      if let node = try? read("\(directory)/\(name)", object) { nodes.append(node) }
    }
    return nodes
  }

  private func read(_ path: String, _ object: ObjectID) throws(VaultError) -> StoredNode? {
    let limit = Int(KeptNodes.contentLimit) + 4 * TarMember.headerLimit
    guard let file = try Files.read(path, limit: limit) else { return nil }
    let plain: WipedBuffer
    do {
      plain = try unsafe AgeFile.decrypt(file.span.bytes, with: [try vault.identity.cacheIdentity()])
    } catch {
      throw .objectDamaged(.zero)
    }
    let (member, length) = try OpenedMember.parse(plain, at: 0, of: .zero)
    guard member.size <= UInt64(KeptNodes.contentLimit) else { throw .objectDamaged(.zero) }
    let end = length + Int(member.size) + TarMember.padding(forSize: member.size)
    guard plain.count >= end else { throw .objectDamaged(.zero) }
    var content = FileContent(size: Int64(member.size), parts: [])
    for start in stride(from: 0, to: Int(member.size), by: FileContent.partSize) {
      let range = length + start..<length + min(Int(member.size), start + FileContent.partSize)
      let block = unsafe plain.withUnsafeBytes { bytes in
        unsafe Block(count: range.count) { unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range])) }
      }
      content.parts.append(.fresh(block))
    }
    let links = try OpenedMember.links(in: plain, from: end, of: member, blob: .zero)
    return try OpenedMember.node(of: object, member: member, content: content, links: links, blob: .zero)
  }
}
