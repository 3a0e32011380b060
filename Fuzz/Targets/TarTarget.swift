import TarStream

extension FuzzTarget {
  /// An archive; the first byte has the size of its pieces, and whether the sums over its headers are put right first.
  static let tar = FuzzTarget(
    "tar",
    seeds: {
      var member = TarMember(path: [UInt8](repeating: 0x70, count: 300), kind: .regular, mode: 0o644)
      member.modified = .init(seconds: -1, nanoseconds: 2)
      member.extendedAttributes = [[UInt8]("user.a".utf8): [0, 10]]
      let plain = try TarMember(path: [UInt8]("f".utf8), kind: .directory, mode: 0o755).encodedHeader()
      return try [[0x0F] + member.encodedHeader() + plain, [0xFF] + plain + TarMember.endOfArchive]
    },
    read: { bytes in
      var archive = [UInt8](bytes.dropFirst())
      let flags = Int(bytes.first ?? 0)
      if flags & 1 == 0 {
        for offset in stride(from: 0, to: archive.count, by: 512) { repairSum(&archive, at: offset) }
      }
      let whole = try? members(archive, archive.count)
      require(whole == (try? members(archive, 1 + flags * 8)), "an archive means the same in pieces")
      _ = try? TarMember.parseMember(prefix: archive)
      for member in whole ?? [] {
        let header = try member.encodedHeader()
        require(
          try TarMember.parseMember(prefix: header) == .member(member, headerLength: header.count),
          "a member is read as written")
      }
    })

  private static func members(_ archive: [UInt8], _ size: Int) throws -> [TarMember] {
    var reader = TarReader()
    var members: [TarMember] = []
    for piece in pieces(archive, of: size) {
      var position = 0
      while let event = try reader.next(in: piece.span, from: &position) {
        if case .member(let member) = event { members.append(member) }
      }
    }
    try reader.finish()
    return members
  }

  private static func repairSum(_ archive: inout [UInt8], at offset: Int) {
    guard archive.count >= offset + 512 else { return }
    archive.replaceSubrange(offset + 148..<offset + 156, with: [UInt8](repeating: 0x20, count: 8))
    let digits = String(archive[offset..<offset + 512].reduce(0) { $0 + Int($1) }, radix: 8).utf8
    let sum = [UInt8](repeating: 0x30, count: 6 - digits.count) + digits + [0]
    archive.replaceSubrange(offset + 148..<offset + 155, with: sum)
  }
}
