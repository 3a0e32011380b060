internal import GitStore
internal import SecretMemory
internal import TarStream
internal import VirtualFS

/// Reading blobs back; every byte was authenticated by age before it is looked at.
extension ObjectSealer {
  /// A node as its blobs tell it; its content stays where it is.
  ///
  /// `entries` are all of the object's, in order. Throws ``VaultError/objectDamaged(_:)`` and what the repository throws.
  func node(of object: ObjectID, entries: ArraySlice<DataTree.Entry>) throws(VaultError) -> StoredNode {
    guard let first = entries.first, first.slot.position == 0 else {
      throw .objectDamaged(entries.first?.blob ?? .zero)
    }
    let plain = try decrypt(first.blob)
    let (member, length) = try OpenedMember.parse(plain, at: 0, of: first.blob)
    let content = try OpenedMember.content(of: member, entries: entries)
    let padding = TarMember.padding(forSize: member.size)
    var links: [[UInt8]] = []
    if content.parts.count <= 1 {
      let end = length + Int(member.size)
      guard OpenedMember.isZero(plain, in: min(end, plain.count)..<end + padding) else {
        throw .objectDamaged(first.blob)
      }
      links = try OpenedMember.links(in: plain, from: end + padding, of: member, blob: first.blob)
    } else {
      // The header alone; what follows the parts is there if, and only if, something has to be.
      guard plain.count == length else { throw .objectDamaged(first.blob) }
      if let tail = entries.dropFirst(1 + content.parts.count).first {
        let plain = try decrypt(tail.blob)
        guard OpenedMember.isZero(plain, in: 0..<padding) else { throw .objectDamaged(tail.blob) }
        links = try OpenedMember.links(in: plain, from: padding, of: member, blob: tail.blob)
        guard padding > 0 || !links.isEmpty else { throw .objectDamaged(tail.blob) }
      } else if padding > 0 {
        throw .objectDamaged(first.blob)
      }
    }
    return try OpenedMember.node(of: object, member: member, content: content, links: links, blob: first.blob)
  }

  /// The content that a reference stands for.
  func openContent(_ reference: ContentReference) throws(VaultError) -> Block {
    let plain = try decrypt(reference.blob)
    var range = 0..<plain.count
    if reference.isInsideObject {
      let (member, length) = try OpenedMember.parse(plain, at: 0, of: reference.blob)
      guard member.size <= UInt64(FileContent.partSize), plain.count >= length + Int(member.size) else {
        throw .objectDamaged(reference.blob)
      }
      range = length..<length + Int(member.size)
    } else if plain.count != Int(reference.tag) {
      throw .objectDamaged(reference.blob)
    }
    return unsafe plain.withUnsafeBytes { bytes in
      unsafe Block(count: range.count) { unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range])) }
    }
  }

  /// The bytes of part `index`, wherever they are; perhaps fewer than the part has: the rest is zeros.
  func block(_ content: FileContent, part index: Int) throws(VaultError) -> Block {
    switch content.parts[index] {
    case .fresh(let block): block
    case .stored(let reference): try openContent(reference)
    case .hole: unsafe Block(count: 0) { _ in }
    }
  }

  /// Decrypts all of an object, part by part, and checks that it is well-formed.
  ///
  /// `seen` holds blobs that were counted before, `sound` contents that were found sound before: these are not read again, and those of this object
  /// are added.
  func verify(
    _ key: ObjectKey, entries: ArraySlice<DataTree.Entry>, seen: inout Set<ObjectName>,
    sound: inout Set<ContentReference>, summary: inout VerificationSummary
  ) throws(VaultError) -> [UInt8]? {
    let node = try node(of: key.id, entries: entries)
    for entry in entries where seen.insert(entry.blob).inserted {
      summary.objects += 1
      summary.bytes += try vault.repository.loadBlob(entry.blob).count
    }
    if case .regular(let content) = node.body {
      // The same bytes may stand for contents of different lengths.
      for case .stored(let reference) in content.parts where !sound.contains(reference) {
        _ = try openContent(reference)
        sound.insert(reference)
      }
    }
    return node.paths.first
  }

  /// A path of the object; nil if its header is damaged.
  func pathIfSound(of key: ObjectKey, entries: ArraySlice<DataTree.Entry>) throws(VaultError) -> [UInt8]? {
    do {
      return try node(of: key.id, entries: entries).paths.first
    } catch {
      guard error.isUnreadable else { throw error }
      return nil
    }
  }

  private func decrypt(_ blob: ObjectName) throws(VaultError) -> WipedBuffer {
    let bytes = try vault.repository.loadBlob(blob)
    guard let keys = vault.keys else { throw .keyWithheld(blob) }
    return try keys.decrypt(bytes, of: blob)
  }
}
