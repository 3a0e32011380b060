internal import SecretMemory
internal import TarStream
internal import VirtualFS

/// A node as tar members: the first under its first path, and a hard link for each further one.
struct TarForm {
  private let node: StoredNode
  /// At least one; the root's is empty.
  private let paths: [[UInt8]]

  init(_ node: StoredNode) {
    self.node = node
    if case .directory = node.body, node.paths.isEmpty { paths = [[]] } else { paths = node.paths }
    precondition(!paths.isEmpty, "a stored node has a path")
  }

  /// What all members' headers of one object may take: with 1 MiB of content they are a blob that every peer accepts.
  static let limits: NodeLimits = {
    var limits = NodeLimits()
    limits.path = StoredPath.limit
    limits.total = TarMember.headerLimit
    // Two header blocks, the records of times, numbers and charset, and what is missing to a whole block.
    limits.nameOverhead = 2 * TarMember.blockSize + 192 + TarMember.blockSize
    limits.attributeOverhead = 24
    return limits
  }()

  /// Refuses a node that no object can hold, before anything of it is encrypted.
  ///
  /// - Throws: ``VaultError/unstorable``.
  func check() throws(VaultError) {
    guard paths.allSatisfy({ $0.count <= StoredPath.limit }) else { throw .unstorable }
    var target = 0
    if case .symbolicLink(let bytes) = node.body { target = bytes.count }
    let cost = TarForm.limits.cost(
      names: paths.lazy.map(\.count), target: target,
      attributes: node.extendedAttributes.lazy.map { ($0.key.count, $0.value.count) })
    guard cost <= TarForm.limits.total else { throw .unstorable }
  }

  /// The first member's header; its content, if any, follows.
  func header() throws(VaultError) -> PlainBytes {
    guard paths.allSatisfy({ $0.count <= StoredPath.limit }) else { throw .unstorable }
    return try TarForm.encode(member)
  }

  /// What follows the content: padding to a whole block, and the members of the further paths.
  func trailer(contentSize: Int64 = 0) throws(VaultError) -> [PlainBytes] {
    var pieces: [PlainBytes] = []
    let padding = TarMember.padding(forSize: UInt64(contentSize))
    if padding > 0 { pieces.append(PlainBytes(zeros: padding)) }
    for path in paths.dropFirst() {
      var link = member
      link.path = path
      link.kind = .hardLink(target: paths[0])
      link.size = 0
      link.extendedAttributes = [:]
      link.changed = nil
      pieces.append(try TarForm.encode(link))
    }
    return pieces
  }

  private var member: TarMember {
    TarMember(
      path: paths[0], kind: kind, mode: node.mode, userID: node.owner, groupID: node.group,
      modified: TarMember.Time(seconds: node.modified.seconds, nanoseconds: node.modified.nanoseconds),
      // One that is no other than mtime goes without saying.
      changed: node.changed == node.modified
        ? nil : TarMember.Time(seconds: node.changed.seconds, nanoseconds: node.changed.nanoseconds), size: size,
      extendedAttributes: node.extendedAttributes)
  }

  private var kind: TarMember.Kind {
    switch node.body {
    case .regular: .regular
    case .directory: .directory
    case .symbolicLink(let target): .symbolicLink(target: target)
    case .fifo: .fifo
    case .characterDevice(let major, let minor): .characterDevice(major: major, minor: minor)
    case .blockDevice(let major, let minor): .blockDevice(major: major, minor: minor)
    }
  }

  private var size: UInt64 { if case .regular(let content) = node.body { UInt64(content.size) } else { 0 } }

  private static func encode(_ member: TarMember) throws(VaultError) -> PlainBytes {
    do {
      let buffer = try WipedBuffer(uninitializedCount: try member.encodedHeaderCapacity())
      var count = 0
      try unsafe buffer.withUnsafeMutableBytes { bytes throws(TarError) in
        // SAFETY: the buffer outlives the span, which writes at most its capacity.
        var output = unsafe OutputSpan<UInt8>(buffer: bytes.bindMemory(to: UInt8.self), initializedCount: 0)
        try member.encodeHeader(into: &output)
        count = unsafe output.finalize(for: bytes.bindMemory(to: UInt8.self))
      }
      return PlainBytes(buffer, count: count)
    } catch is TarError {
      throw .unstorable
    } catch {
      throw .memoryUnavailable
    }
  }
}
