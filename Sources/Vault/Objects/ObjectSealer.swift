internal import GitStore
internal import SecretMemory
internal import Synchronization
internal import TarStream
internal import VirtualFS

/// Turns nodes into encrypted blobs: an age file of one pax tar member each; docs/format.md, "Secret object".
struct ObjectSealer: Sendable {
  let vault: Vault
  private let zeroPart = ZeroPart()

  init(_ vault: Vault) { self.vault = vault }

  /// A node's blobs, ready to be written.
  struct Sealed {
    /// Where the blobs stand in the tree; in order.
    var entries: [DataTree.Entry]
    /// The blobs that the repository does not have yet.
    var blobs: [NewObject]
    /// Where each part of a regular file is now; nil for another kind of node.
    var parts: [ContentReference?]?
  }

  /// Seals a node's new state, to stand under `key`.
  ///
  /// - Throws: ``VaultError/unstorable``; ``VaultError/objectDamaged(_:)`` if content that is already stored must be read and cannot.
  func seal(_ node: StoredNode, as key: ObjectKey) throws(VaultError) -> Sealed {
    let tar = TarForm(node)
    try tar.check()
    guard case .regular(let content) = node.body else {
      let blob = try encrypt([try tar.header()] + (try tar.trailer()))
      return Sealed(entries: [.init(slot: .header(of: key), blob: blob.name)], blobs: [blob], parts: nil)
    }
    if content.parts.count <= 1 { return try sealWhole(content, of: key, tar: tar) }
    return try sealParts(content, of: key, tar: tar)
  }

  private func sealWhole(
    _ content: FileContent, of key: ObjectKey, tar: TarForm
  ) throws(VaultError) -> Sealed {
    var pieces = [try tar.header()]
    if content.size > 0 {
      let block = try block(content, part: 0)
      pieces.append(PlainBytes(block))
      if block.count < Int(content.size) { pieces.append(PlainBytes(zeros: Int(content.size) - block.count)) }
    }
    let blob = try encrypt(pieces + (try tar.trailer(contentSize: content.size)))
    let reference = content.size == 0 ? [] : [ContentReference(insideObject: blob.name)]
    return Sealed(entries: [.init(slot: .header(of: key), blob: blob.name)], blobs: [blob], parts: reference)
  }

  private func sealParts(
    _ content: FileContent, of key: ObjectKey, tar: TarForm
  ) throws(VaultError) -> Sealed {
    let header = try encrypt([try tar.header()])
    var sealed = Sealed(entries: [.init(slot: .header(of: key), blob: header.name)], blobs: [header], parts: [])
    var fresh = try sealFreshParts(of: content)[...]
    var references: [ContentReference?] = []
    references.reserveCapacity(content.parts.count)
    for (index, part) in content.parts.enumerated() {
      let length = content.length(ofPart: index)
      let name: ObjectName
      switch part {
      case .stored(let reference) where Int(reference.tag) == length:
        name = reference.blob
        references.append(reference)
      case .hole:
        let blob = try zeroPart.blob(length: length, epoch: vault.membership.epoch) { () throws(VaultError) in
          try encrypt([PlainBytes(zeros: length)])
        }
        if let new = blob.new { sealed.blobs.append(new) }
        name = blob.name
        references.append(nil)
      case .stored, .fresh:
        let blob = fresh.removeFirst()
        sealed.blobs.append(blob)
        name = blob.name
        references.append(ContentReference(part: name, length: length))
      }
      sealed.entries.append(.init(slot: .part(index, of: key), blob: name))
    }
    let trailer = try tar.trailer(contentSize: content.size)
    if !trailer.isEmpty {
      let blob = try encrypt(trailer)
      sealed.blobs.append(blob)
      sealed.entries.append(.init(slot: .part(content.parts.count, of: key), blob: blob.name))
    }
    sealed.parts = references
    return sealed
  }

  /// The parts that are not stored as they are to be, in order.
  private func sealFreshParts(of content: FileContent) throws(VaultError) -> [NewObject] {
    let indices = content.parts.indices.filter { index in
      switch content.parts[index] {
      case .hole: false
      case .stored(let reference): Int(reference.tag) != content.length(ofPart: index)
      case .fresh: true
      }
    }
    return try Concurrent.map(indices) { index throws(VaultError) in
      try sealPart(try block(content, part: index), length: content.length(ofPart: index))
    }
  }

  /// One part of a large file, filled up with zeros to `length` bytes.
  func sealPart(_ block: Block, length: Int) throws(VaultError) -> NewObject {
    try encrypt([PlainBytes(block), PlainBytes(zeros: length - block.count)])
  }

  private func encrypt(_ pieces: [PlainBytes]) throws(VaultError) -> NewObject {
    guard let keys = vault.keys else { throw .roleForbids }
    return NewObject(ciphertext: try keys.encrypt(pieces))
  }
}

/// The blob of a part that is all zeros: one for each length and epoch, so that a sparse file costs next to nothing.
///
/// It shows a thief which parts are holes, as docs/security.md says.
private final class ZeroPart: Sendable {
  private struct Kind: Hashable {
    let length: Int
    let epoch: UInt32
  }

  private let known = Mutex<[Kind: ObjectName]>([:])

  /// The blob's name, and the blob itself the first time.
  func blob(
    length: Int, epoch: UInt32, make: () throws(VaultError) -> NewObject
  ) throws(VaultError) -> (name: ObjectName, new: NewObject?) {
    let kind = Kind(length: length, epoch: epoch)
    if let name = known.withLock({ $0[kind] }) { return (name, nil) }
    let blob = try make()
    known.withLock { $0[kind] = blob.name }
    return (blob.name, blob)
  }
}

extension FileContent {
  /// Bytes of part `index`.
  func length(ofPart index: Int) -> Int {
    Int(min(Int64(FileContent.partSize), size - Int64(index) * Int64(FileContent.partSize)))
  }
}
