@testable import GitStore

extension FuzzTarget {
  /// A commit, a tree, or a loose object's file, by the first byte.
  static let objects = FuzzTarget(
    "objects",
    seeds: {
      let name = ObjectName.of(.blob, [1])
      let person = Person(name: "n", address: "a@b", seconds: 1_700_000_000, zone: -90)
      let commit = CommitObject(
        tree: name, parents: [name, name], author: person, committer: person, message: [UInt8]("polykey\n".utf8),
        signature: [UInt8]("-----BEGIN\nAAAA\n-----END".utf8),
        otherHeaders: [CommitObject.Header(name: "encoding", value: [UInt8]("a\nb".utf8))])
      let tree = Tree.encode([
        TreeEntry(mode: .file, name: "a.age", object: name), TreeEntry(mode: .directory, name: "a", object: name),
        TreeEntry(mode: .other(0o120000), name: "l", object: name),
      ])
      return [[0] + commit.encode(), [1] + tree, [2] + LooseFormat.encode(.blob, [1, 2, 3])]
    },
    read: { bytes in
      let rest = [UInt8](bytes.dropFirst())
      switch bytes.first {
      case 0:
        let commit = try CommitObject(parsing: rest)
        require(commit.encode() == rest, "a commit has one encoding")
        require(commit.signature == nil || commit.signedPayload.count < rest.count, "a signature is not under itself")
      case 1: require(try Tree(parsing: rest).encode() == rest, "a tree has one encoding")
      default:
        if let object = LooseFormat.decode(rest) {
          require(LooseFormat.header(of: rest)?.size == object.bytes.count, "a header tells the size")
        }
      }
    })

  /// A delta and its base.
  static let delta = FuzzTarget(
    "delta",
    seeds: {
      let base = [UInt8]("0123456789abcdef".utf8)
      let delta = Delta.make(from: base, to: base + base + [1], below: 100) ?? []
      return [[UInt8(base.count)] + base + delta, [0, 0, 0], [1, 9, 1, 3, 0x91, 0, 1, 2, 7, 7]]
    },
    read: { bytes in
      var choices = Choices(bytes)
      let base = choices.bytes(Int(choices.byte()))
      let delta = [UInt8](choices.rest)
      guard let sizes = Delta.sizes(of: delta), sizes.target <= 1 << 20, let target = Delta.apply(delta, to: base)
      else {
        return
      }
      require(target.count == sizes.target && sizes.base == base.count, "a delta makes what it says")
      if let again = Delta.make(from: base, to: target, below: 1 << 20) {
        require(Delta.apply(again, to: base) == target, "deltas of ours make what they were made of")
      }
    })
}
