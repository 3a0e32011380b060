internal import GitStore
internal import SecretMemory
internal import TarStream
internal import VirtualFS

/// Members as they stand in a decrypted object, or in the index.
///
/// Only the one spelling that this program writes is taken: what another reader of tar could understand otherwise, or not at all, is damage.
enum OpenedMember {
  /// The longest target of a link, as in Linux.
  private static let targetLimit = 4095

  /// The member whose header is at `offset`, and the header's bytes.
  ///
  /// Throws ``VaultError/objectDamaged(_:)`` unless the header is exactly that of docs/format.md, "Secret object".
  static func parse(
    _ plain: WipedBuffer, at offset: Int, of blob: ObjectName
  ) throws(VaultError) -> (member: TarMember, length: Int) {
    do {
      let prefix = try plain.withBytes { bytes throws(TarError) in
        // SAFETY: the span is used within the loan, and any byte is a UInt8.
        try unsafe bytes.extracting(droppingFirst: offset).withUnsafeBytes { buffer throws(TarError) in
          try unsafe TarMember.parseMember(prefix: buffer.bindMemory(to: UInt8.self).span)
        }
      }
      guard case .member(let member, let length) = prefix else { throw TarError.truncated }
      guard try isSpelledRight(member, plain, at: offset, length) else { throw TarError.malformedHeader }
      return (member, length)
    } catch {
      throw .objectDamaged(blob)
    }
  }

  private static func isSpelledRight(
    _ member: TarMember, _ plain: WipedBuffer, at offset: Int, _ length: Int
  ) throws(TarError) -> Bool {
    guard member.userName == nil, member.groupName == nil else { return false }
    if case .symbolicLink(let target) = member.kind, target.count > targetLimit { return false }
    let header = try member.encodedHeader()
    return plain.withBytes { bytes in
      // SAFETY: the span is used within the loan.
      unsafe bytes.extracting(droppingFirst: offset).withUnsafeBytes { bytes in
        unsafe bytes.prefix(length).elementsEqual(header)
      }
    }
  }

  /// Whether the bytes of a range, as far as they are there, are zeros, and all are there.
  static func isZero(_ plain: WipedBuffer, in range: Range<Int>) -> Bool {
    guard range.upperBound <= plain.count else { return false }
    return unsafe plain.withUnsafeBytes { bytes in unsafe bytes[range].allSatisfy { $0 == 0 } }
  }

  /// The names that hard link members from `offset` to `end` (the buffer's, if nil) give to `first`.
  static func links(
    in plain: WipedBuffer, from offset: Int, to end: Int? = nil, of first: TarMember, blob: ObjectName
  ) throws(VaultError) -> [[UInt8]] {
    var links: [[UInt8]] = []
    var offset = offset
    var expected = first
    (expected.kind, expected.size, expected.extendedAttributes) = (.hardLink(target: first.path), 0, [:])
    expected.changed = nil
    var known: Set<[UInt8]> = [first.path]
    while offset < end ?? plain.count {
      let (member, length) = try parse(plain, at: offset, of: blob)
      expected.path = member.path
      guard member == expected, known.insert(member.path).inserted else { throw .objectDamaged(blob) }
      links.append(member.path)
      offset += length
    }
    return links
  }

  /// Where the content of a regular file is; empty for another kind.
  static func content(
    of member: TarMember, entries: ArraySlice<DataTree.Entry>
  ) throws(VaultError) -> FileContent {
    var content = FileContent(size: Int64(clamping: member.size), parts: [])
    guard let first = entries.first, member.size <= UInt64(Slot.partLimit) * UInt64(FileContent.partSize) else {
      throw .objectDamaged(entries.first?.blob ?? .zero)
    }
    guard member.size > UInt64(FileContent.partSize) else {
      guard entries.count == 1 else { throw .objectDamaged(first.blob) }
      if member.size == 0 { return content }
      content.parts = [.stored(ContentReference(insideObject: first.blob))]
      return content
    }
    let count = (Int(member.size) + FileContent.partSize - 1) / FileContent.partSize
    let parts = entries.dropFirst().prefix(count)
    guard parts.count == count, parts.enumerated().allSatisfy({ Int($1.slot.position) == $0 + 1 }) else {
      throw .objectDamaged(first.blob)
    }
    // One more, if zeros or links follow.
    guard entries.count == 1 + count || entries.count == 2 + count else { throw .objectDamaged(first.blob) }
    for (index, entry) in parts.enumerated() {
      content.parts.append(.stored(ContentReference(part: entry.blob, length: content.length(ofPart: index))))
    }
    return content
  }

  static func node(
    of object: ObjectID, member: TarMember, content: FileContent, links: [[UInt8]], blob: ObjectName
  ) throws(VaultError) -> StoredNode {
    let body: StoredNode.Body
    switch member.kind {
    case .regular: body = .regular(content)
    case .directory: body = .directory
    case .symbolicLink(let target): body = .symbolicLink(target: target)
    case .fifo: body = .fifo
    case .characterDevice(let major, let minor): body = .characterDevice(major: major, minor: minor)
    case .blockDevice(let major, let minor): body = .blockDevice(major: major, minor: minor)
    case .hardLink: throw .objectDamaged(blob)
    }
    let paths = [member.path] + links
    if case .directory = body, !links.isEmpty { throw .objectDamaged(blob) }
    guard paths.allSatisfy({ StoredPath.isAllowed($0, ofDirectory: member.kind == .directory) }) else {
      throw .objectDamaged(blob)
    }
    return StoredNode(
      object: object, body: body, paths: paths, mode: member.mode, owner: member.userID,
      group: member.groupID,
      modified: Timestamp(seconds: member.modified.seconds, nanoseconds: member.modified.nanoseconds),
      changed: member.changed.map { Timestamp(seconds: $0.seconds, nanoseconds: $0.nanoseconds) },
      extendedAttributes: member.extendedAttributes)
  }

  /// A node of which the headers stand in `range` of an index, one behind the other.
  static func node(
    of object: ObjectID, entries: ArraySlice<DataTree.Entry>, headers: WipedBuffer, in range: Range<Int>
  ) throws(VaultError) -> StoredNode {
    let blob = entries.first?.blob ?? .zero
    let (member, length) = try parse(headers, at: range.lowerBound, of: blob)
    let links = try links(
      in: headers, from: range.lowerBound + length, to: range.upperBound, of: member, blob: blob)
    let content = try content(of: member, entries: entries)
    // What has parts is indexed only if nothing follows them: else it has to be looked at.
    if content.parts.count > 1 {
      let isPadded = TarMember.padding(forSize: member.size) > 0
      guard !isPadded, links.isEmpty, entries.count == 1 + content.parts.count else { throw .objectDamaged(blob) }
    }
    return try node(of: object, member: member, content: content, links: links, blob: blob)
  }
}
