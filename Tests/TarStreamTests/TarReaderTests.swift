import TarStream
import TestSupport
import Testing

@Suite("TarReader") struct TarReaderTests {
  private static let plain = TarMember(path: Array("f".utf8), kind: .regular, mode: 0o644)

  /// A pax member, a GNU long name and an end, some 5 KiB.
  private static func mixedArchive() throws -> [UInt8] {
    var pax = plain
    pax.path = [UInt8](repeating: 0x70, count: 300)
    pax.modified = .init(seconds: 1, nanoseconds: 2)
    pax.extendedAttributes = [Array("user.a".utf8): [0, 10]]
    let last = TarMember(path: Array("last".utf8), kind: .directory, mode: 0o755)
    return try archived(pax, [UInt8](repeating: 1, count: 700)) + archived(plain) + archived(last)
      + TarMember.endOfArchive + [1, 2, 3]
  }

  @Test func `an archive may be split anywhere`() throws {
    let archive = try Self.mixedArchive()
    let expected = try readAll(archive)
    #expect(expected.count == 3)
    for split in 0...archive.count {
      var reader = TarReader()
      var members: [TarMember] = []
      var content: [UInt8] = []
      for range in [0..<split, split..<archive.count] {
        let chunk = archive.span.extracting(range)
        var position = 0
        while let event = try reader.next(in: chunk, from: &position) {
          switch event {
          case .member(let member): members.append(member)
          case .content(let part): for index in part { content.append(chunk[index]) }
          case .endOfArchive: break
          }
        }
        #expect(position == chunk.count)
      }
      try reader.finish()
      guard members == expected.map(\.member), content == expected[0].content else {
        Issue.record("differs when split at \(split)")
        return
      }
    }
    let single = try readAll(archive, chunkSize: 1)
    #expect(single.map(\.member) == expected.map(\.member) && single.map(\.content) == expected.map(\.content))
  }

  @Test func `every cut is noticed, and only at a member's end is none`() throws {
    let archive = try archived(Self.plain, [1, 2, 3]) + archived(Self.plain)
    for end in 0...archive.count {
      let cut = Array(archive.prefix(end))
      if let count = [0: 0, 1024: 1, 1536: 2][end] {
        #expect(try readAll(cut).count == count)
      } else {
        #expect(throws: TarError.truncated) { try readAll(cut) }
      }
    }
  }

  @Test func `a prefix says how much more is needed`() throws {
    let archive = try Self.mixedArchive()
    var needed = 0
    var steps = 0
    var header: TarPrefix?
    while header == nil {
      let result = try TarMember.parseMember(prefix: Array(archive.prefix(needed)))
      guard case .needsMore(let byteCount) = result else {
        header = result
        continue
      }
      #expect(byteCount > needed)
      let less = try TarMember.parseMember(prefix: Array(archive.prefix(byteCount - 1)))
      #expect(less == result)
      needed = byteCount
      steps += 1
    }
    #expect(steps == 2)
    guard case .member(let member, let headerLength) = header else {
      Issue.record("no member")
      return
    }
    #expect(headerLength == needed && member.path.count == 300 && member.size == 700)
    #expect(try TarMember.parseMember(prefix: TarMember.endOfArchive) == .endOfArchive)
  }

  @Test func `one changed byte of a header is noticed`() throws {
    let header = try Self.plain.encodedHeader()
    for index in header.indices {
      var changed = header
      changed[index] ^= 1
      // Bytes behind the checksum's digits are not part of any sum.
      if (154...155).contains(index) { continue }
      #expect(throws: TarError.self) { try TarMember.parseMember(prefix: changed) }
    }
  }

  @Test func `a lone block of zeros inside an archive is damage`() throws {
    let archive = try archived(Self.plain) + [UInt8](repeating: 0, count: 512)
    #expect(try readAll(archive).count == 1)
    #expect(throws: TarError.malformedHeader) { try readAll(archive + archived(Self.plain)) }
  }

  @Test(arguments: [
    "0 a=b\n", "06 a=b\n", "10 a=b\n", "7 a=b\n", "5 a=b\n", "999999999999999999999 a=b\n", "5 =a\n", "5 ab\n",
    "-6 a=b\n",
    " 6 a=b\n", "6\ta=b\n", "6 a=bc", "99999 a=b\n", "x", "2 \n", "3 =\n", "6 a=b\n\n",
  ])
  func `records out of form are refused`(record: String) throws {
    #expect(throws: TarError.malformedRecord) { try readAll(Self.archive(withRecords: Array(record.utf8))) }
  }

  @Test(arguments: [
    "path=", "path=a\u{0}b", "linkpath=", "uid=-1", "uid=4294967296", "gid=1x", "gid=", "size=99999999999999999999",
    "size=9223372036854775808", "size=-1", "mtime=", "mtime=1.x", "mtime=--1", "mtime=1.", "mtime=.5", "mtime=1.2.3",
    "mtime=9223372036854775808", "uname=a\u{0}", "hdrcharset=LATIN", "SCHILY.xattr.=1", "SCHILY.xattr.a\u{0}=1",
  ])
  func `values that do not fit their keywords are refused`(record: String) throws {
    let archive = try Self.archive(withRecords: Self.counted(record))
    #expect(throws: TarError.malformedRecord) { try readAll(archive) }
  }

  @Test(
    arguments: [
      ("1.123456789", 1, 123_456_789), ("1.123456789999", 1, 123_456_789), ("-1.5", -2, 500_000_000),
      ("-1.9999999999", -2, 0), ("-0.0", 0, 0), ("7", 7, 0), ("-7", -7, 0), ("-0.0000000001", -1, 999_999_999),
      ("-9223372036854775807.5", .min, 500_000_000),
    ] as [(String, Int64, UInt32)])
  func `times are decimals`(value: String, seconds: Int64, nanoseconds: UInt32) throws {
    let members = try readAll(Self.archive(withRecords: Self.counted("mtime=" + value)))
    #expect(members.map(\.member.modified) == [.init(seconds: seconds, nanoseconds: nanoseconds)])
  }

  @Test func `later records win, and empty ones delete`() throws {
    let records = ["uname=a", "uname=b", "gname=c", "gname=", "comment=", "path=first", "path=last"]
    let member = try readAll(Self.archive(withRecords: records.flatMap(Self.counted)))[0].member
    #expect(member.userName == [0x62] && member.groupName == nil && member.path == Array("last".utf8))
  }

  @Test func `records and long names are bounded`() throws {
    for type in "xgLK".utf8 {
      let header = block(type: type, size: UInt64(TarMember.headerLimit) + 1)
      #expect(throws: TarError.headerTooLarge) { try readAll(header) }
      #expect(throws: TarError.headerTooLarge) { try TarMember.parseMember(prefix: header) }
    }
    var member = Self.plain
    member.extendedAttributes = [Array("user.a".utf8): [UInt8](repeating: 0, count: TarMember.headerLimit)]
    #expect(throws: TarError.headerTooLarge) { try member.encodedHeader() }
    member.extendedAttributes = [Array("user.a".utf8): [UInt8](repeating: 0, count: TarMember.headerLimit - 8192)]
    #expect(try readAll(member.encodedHeader()).map(\.member) == [member])
  }

  @Test(arguments: Array("VMDNAZ8".utf8))
  func `other types are refused`(type: UInt8) {
    #expect(throws: TarError.unsupportedType(type)) { try readAll(block(type: type, size: 0)) }
  }

  @Test func `what cannot be read back is not written`() {
    let nul = [0x61, 0, 0x62] as [UInt8]
    var bad = [
      TarMember(path: [], kind: .regular, mode: 0), TarMember(path: nul, kind: .regular, mode: 0),
      TarMember(path: Array("a/".utf8), kind: .directory, mode: 0), TarMember(path: [1], kind: .regular, mode: 0o10000),
      TarMember(path: [1], kind: .symbolicLink(target: []), mode: 0),
      TarMember(path: [1], kind: .hardLink(target: nul), mode: 0),
      TarMember(path: [1], kind: .fifo, mode: 0, size: 1), TarMember(path: [1], kind: .regular, mode: 0, userName: []),
      TarMember(path: [1], kind: .regular, mode: 0, groupName: nul),
      TarMember(path: [1], kind: .regular, mode: 0, size: .max),
      TarMember(path: [1], kind: .regular, mode: 0, extendedAttributes: [[]: [1]]),
    ]
    bad.append(TarMember(path: [1], kind: .regular, mode: 0, extendedAttributes: [nul: [1]]))
    for member in bad { #expect(throws: TarError.unencodableMember) { try member.encodedHeader() } }
  }

  @Test func `a header can be written into memory of the caller`() throws {
    for member in members {
      let capacity = try member.encodedHeaderCapacity()
      let bytes = try [UInt8](capacity: capacity + 3) { output in
        output.append(repeating: 9, count: 3)
        try member.encodeHeader(into: &output)
      }
      #expect(bytes.dropFirst(3).elementsEqual(try member.encodedHeader()))
    }
  }

  /// `record` with its length, which is of two digits, before it and a newline after it.
  private static func counted(_ record: String) -> [UInt8] {
    let count = record.utf8.count + 2
    return Array("\(count + (count + 1 < 10 ? 1 : 2)) \(record)\n".utf8)
  }

  /// An archive of an extended header with these records, and a file.
  private static func archive(withRecords records: [UInt8]) throws -> [UInt8] {
    let padding = [UInt8](repeating: 0, count: TarMember.padding(forSize: UInt64(records.count)))
    return try block(type: UInt8(ascii: "x"), size: UInt64(records.count)) + records + padding + archived(plain)
  }
}

/// A ustar header block with a type that the writer has not got.
func block(type: UInt8, size: UInt64) -> [UInt8] {
  let member = TarMember(path: [0x68], kind: .regular, mode: 0o644, size: size)
  guard var block = try? member.encodedHeader() else { return [] }
  block[156] = type
  return repairingChecksum(of: block, at: 0)
}

/// `archive` with the checksum of the block at `offset` put right.
func repairingChecksum(of archive: [UInt8], at offset: Int) -> [UInt8] {
  var archive = archive
  guard archive.count >= offset + 512 else { return archive }
  archive.replaceSubrange(offset + 148..<offset + 156, with: [UInt8](repeating: 0x20, count: 8))
  let sum = archive[offset..<offset + 512].reduce(0) { $0 + Int($1) }
  let digits = String(sum, radix: 8).utf8
  archive.replaceSubrange(
    offset + 148..<offset + 155, with: [UInt8](repeating: 0x30, count: 6 - digits.count) + digits + [0])
  return archive
}
