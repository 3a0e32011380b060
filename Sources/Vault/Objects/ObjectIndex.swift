internal import Age
internal import GitStore
internal import SecretMemory
internal import VirtualFS

/// What is known of objects without decrypting each: their tar headers, by their blobs' names, in one encrypted file of the keynode's state.
///
/// It makes mounting ten times as fast, and tells the path of an object that is damaged. It cannot mislead: only this node can
/// encrypt it (docs/format.md, "State"), and a blob's name is the hash of its bytes. It may be deleted at any time.
struct ObjectIndex: Sendable {
  private let records: [ObjectName: Range<Int>]
  private let bytes: WipedBuffer?

  /// An index that knows nothing.
  static let empty = ObjectIndex(records: [:], bytes: nil)

  private init(records: [ObjectName: Range<Int>], bytes: WipedBuffer?) {
    self.records = records
    self.bytes = bytes
  }

  /// Bytes of the largest index that is read or written.
  private static let limit = 1 << 30

  private static func path(_ vault: Vault) -> String { "\(vault.statePath)/index.age" }

  /// The index of a vault; an empty one if there is none or it cannot be read, as it is only a cache.
  init(of vault: Vault) {
    guard let file = try? Files.read(ObjectIndex.path(vault), limit: ObjectIndex.limit),
      let identity = try? vault.identity.cacheIdentity(),
      let bytes = try? unsafe AgeFile.decrypt(file.span.bytes, with: [identity])
    else {
      self = .empty
      return
    }
    self.init(records: unsafe bytes.withUnsafeBytes { unsafe ObjectIndex.scan($0) }, bytes: bytes)
  }

  /// Records are a blob's name (20 bytes), a length (4 bytes, big-endian), and that many bytes of tar members.
  private static func scan(_ bytes: UnsafeRawBufferPointer) -> [ObjectName: Range<Int>] {
    var records: [ObjectName: Range<Int>] = [:]
    var offset = 0
    while offset + 24 <= bytes.count {
      let length = (0..<4).reduce(0) { $0 << 8 | Int(unsafe bytes[offset + 20 + $1]) }
      guard let name = unsafe ObjectName(bytes: bytes[offset..<offset + 20]), offset + 24 + length <= bytes.count else {
        break
      }
      records[name] = offset + 24..<offset + 24 + length
      offset += 24 + length
    }
    return records
  }

  /// The node of an object with these entries; nil if it is not known.
  func node(of object: ObjectID, entries: ArraySlice<DataTree.Entry>) -> StoredNode? {
    guard let first = entries.first, let range = records[first.blob], let bytes else { return nil }
    return try? OpenedMember.node(of: object, entries: entries, headers: bytes, in: range)
  }

  /// Writes the index of `nodes`, as far as an index can hold them.
  static func save(_ nodes: [(key: ObjectKey, node: StoredNode)], of tree: DataTree, vault: Vault) throws(VaultError) {
    var pieces: [PlainBytes] = []
    for (key, node) in nodes {
      let entries = tree.entries(of: key)
      // What has a tail has its links there.
      guard let blob = entries.first?.blob, !node.hasTail(entries) else { continue }
      let form = TarForm(node)
      let members = [try form.header()] + (try form.trailer())
      let length = UInt32(members.reduce(0) { $0 + $1.count })
      pieces.append(
        try PlainBytes(
          copying: blob.bytes + (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) }))
      pieces.append(contentsOf: members)
    }
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
    try Files.makeDirectory(vault.statePath)
    try Files.replace(path(vault), with: file, mode: 0o600)
  }
}

extension StoredNode {
  /// Whether more entries follow its content's parts.
  fileprivate func hasTail(_ entries: ArraySlice<DataTree.Entry>) -> Bool {
    guard case .regular(let content) = body, content.parts.count > 1 else { return entries.count > 1 }
    return entries.count > 1 + content.parts.count
  }
}
