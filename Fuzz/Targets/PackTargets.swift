@testable import GitStore

extension FuzzTarget {
  /// A pack from a peer, into a quarantine.
  ///
  /// The first byte says whether the rest is a pack, or tells what to make one of: most of a pack's bytes are under checksums.
  static let pack = FuzzTarget(
    "pack", seeds: { try [[0, 0x20] + Packs.sample(), [1, 0xFF] + Packs.recipe, [3, 3] + Packs.recipe] },
    read: { bytes in
      var choices = Choices(bytes)
      let flags = choices.byte()
      let size = Int(choices.byte()) + 1
      let pack = flags & 1 == 0 ? [UInt8](choices.rest) : Packs.made(by: &choices)
      let quarantine = Quarantine(for: Scratch.repository, memoryLimit: flags & 2 == 0 ? 1 << 20 : 64)
      let reader = try quarantine.packReader(limits: Packs.limits)
      defer { Packs.check(quarantine) }
      for piece in pieces(pack, of: size) { try reader.feed(piece) }
      try reader.finish()
      require(quarantine.names.count == reader.objectCount, "what a pack has is in quarantine")
    })

  /// A bundle.
  static let bundle = FuzzTarget(
    "bundle",
    seeds: {
      let name = ObjectName.of(.blob, [1])
      let header = GitBundle.Header(
        prerequisites: [], references: [GitBundle.Reference(name: "refs/heads/members", object: name)])
      let third = [UInt8]("# v3 git bundle\n@object-format=sha1\n-\(name.hex) x\n\(name.hex) HEAD\n\n".utf8)
      return try [[0x20] + header.encode() + Packs.sample(), [7] + third + Packs.sample()]
    },
    read: { bytes in
      var choices = Choices(bytes)
      let size = Int(choices.byte()) + 1
      let quarantine = Quarantine(for: Scratch.repository)
      let reader = try quarantine.bundleReader(limits: Packs.limits)
      defer { Packs.check(quarantine) }
      for piece in pieces([UInt8](choices.rest), of: size) { try reader.feed(piece) }
      try reader.finish()
      require(
        reader.header.references.allSatisfy { ReferenceName.isAllowed($0.name) }, "names of branches are git's")
    })
}

private enum Packs {
  /// Small, so that all limits are met.
  static let limits: PackLimits = {
    var limits = PackLimits()
    limits.objectCount = 64
    (limits.blobSize, limits.treeSize, limits.commitSize) = (4096, 2048, 1024)
    (limits.inflatedSize, limits.packSize, limits.deltaDepth) = (32 << 10, 16 << 10, 8)
    return limits
  }()

  static func sample() throws(GitError) -> [UInt8] {
    let blob = NewObject(kind: .blob, bytes: [UInt8]("content".utf8))
    let tree = NewObject(kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: "f.age", object: blob.name)]))
    let pack = Collected()
    let writer = try PackStreamWriter(objectCount: 2) { (bytes) throws(GitError) in pack.bytes += bytes }
    try writer.add(.blob, blob.bytes)
    try writer.add(.tree, tree.bytes)
    try writer.finish()
    return pack.bytes
  }

  private final class Collected { var bytes: [UInt8] = [] }

  /// A blob, a delta that names its base, and one that builds on that.
  static let recipe: [UInt8] =
    [3, 0, 0, 9] + [UInt8]("some text".utf8) + [7, 0, 0, 6, 0xAC, 2, 2, 2, 0x62, 0x63] + [6, 1, 0, 5, 2, 1, 1, 0x64, 0]

  /// A sound pack of entries that the input describes, each with its content, type, stated size and base.
  static func made(by choices: inout Choices) -> [UInt8] {
    var entries: [UInt8] = []
    var offsets: [Int] = []
    while !choices.isEmpty, offsets.count < 70 {
      let (kind, base, count) = (choices.byte(), Int(choices.byte()), choices.number())
      let content = choices.bytes(count)
      offsets.append(PackHeader.size + entries.count)
      var size = content.count + (kind & 0x80 == 0 ? 0 : Int(kind >> 4 & 7) * 1000)
      entries.append((kind & 7) << 4 | UInt8(size & 15) | (size > 15 ? 0x80 : 0))
      size >>= 4
      while size > 0 {
        entries.append(UInt8(size & 0x7F) | (size > 0x7F ? 0x80 : 0))
        size >>= 7
      }
      if kind & 7 == 6 {
        var distance = base < offsets.count ? (offsets.last ?? 0) - offsets[base] : base * 100
        var digits = [UInt8(distance & 0x7F)]
        while distance >> 7 > 0 {
          distance = (distance >> 7) - 1
          digits.append(UInt8(distance & 0x7F) | 0x80)
        }
        entries += digits.reversed()
      } else if kind & 7 == 7 {
        entries += ObjectName.of(.blob, base & 1 == 0 ? Scratch.known : [UInt8("content".utf8.count)]).bytes
      }
      StoredStream.append(content, to: &entries)
    }
    var pack = PackHeader.encode(objectCount: offsets.count) + entries
    var checksum = Checksum()
    checksum.add(pack)
    pack += checksum.finish().bytes
    return pack
  }

  /// What may be said of a quarantine whatever came.
  static func check(_ quarantine: Quarantine) {
    require(quarantine.byteCount <= limits.inflatedSize, "a quarantine keeps to its limit")
    for name in quarantine.names {
      guard let object = try? quarantine.read(name) else { preconditionFailure("broken: what is there can be read") }
      require(ObjectName.checked(object.kind, object.bytes) == name, "objects have their names")
      require(object.bytes.count <= limits.size(of: object.kind), "objects keep to their limits")
    }
  }
}
