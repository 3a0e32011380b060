/// What the first bytes of an archive, or of what follows a member in one, hold.
public enum TarPrefix: Hashable, Sendable {
  /// A member; its content begins `headerLength` bytes into the prefix, a multiple of 512.
  case member(TarMember, headerLength: Int)
  /// The header goes on beyond the prefix: at least `byteCount` bytes, counted from its start, are needed.
  case needsMore(byteCount: Int)
  /// A block of zeros: no member follows.
  case endOfArchive
}

extension TarMember {
  /// Reads a member's header from the first bytes of an archive.
  ///
  /// Never asks for more than ``headerLimit`` bytes and a few blocks.
  /// - Throws: A ``TarError`` for a header that is malformed as far as it goes.
  public static func parseMember(prefix: Span<UInt8>) throws(TarError) -> TarPrefix {
    var assembler = MemberAssembler()
    var position = 0
    while true {
      guard prefix.count >= position + blockSize else { return .needsMore(byteCount: position + blockSize) }
      guard position <= headerLimit else { throw .headerTooLarge }
      let step = try assembler.takeBlock(prefix, at: position)
      position += blockSize
      switch step {
      case .zeroBlock: return .endOfArchive
      case .member(let member): return .member(member, headerLength: position)
      case .records(let byteCount):
        let end = position + byteCount
        let next = end + padding(forSize: UInt64(byteCount))
        guard prefix.count >= next + blockSize else { return .needsMore(byteCount: next + blockSize) }
        let payload = [UInt8](capacity: byteCount) { (output: inout OutputSpan<UInt8>) in
          for index in position..<end { output.append(prefix[index]) }
        }
        try assembler.takeRecords(payload[...])
        position = next
      }
    }
  }

  /// As ``parseMember(prefix:)-(Span<UInt8>)``, of an array.
  public static func parseMember(prefix: [UInt8]) throws(TarError) -> TarPrefix {
    try parseMember(prefix: prefix.span)
  }
}
