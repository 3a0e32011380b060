import TarStream
import TestSupport
import Testing

/// Every member of `archive`, with its content.
func readAll(_ archive: [UInt8], chunkSize: Int? = nil) throws -> [(member: TarMember, content: [UInt8])] {
  var reader = TarReader()
  var result: [(member: TarMember, content: [UInt8])] = []
  let step = max(chunkSize ?? archive.count, 1)
  for start in stride(from: 0, to: archive.count, by: step) {
    let chunk = Array(archive[start..<min(start + step, archive.count)])
    var position = 0
    while let event = try reader.next(in: chunk.span, from: &position) {
      switch event {
      case .member(let member): result.append((member, []))
      case .content(let range): result[result.count - 1].content += chunk[range]
      case .endOfArchive: break
      }
    }
    #expect(position == chunk.count)
  }
  try reader.finish()
  return result
}

/// A member with its content and padding, as an archive has it.
func archived(_ member: TarMember, _ content: [UInt8] = []) throws -> [UInt8] {
  var member = member
  member.size = UInt64(content.count)
  let padding = [UInt8](repeating: 0, count: TarMember.padding(forSize: member.size))
  return try member.encodedHeader() + content + padding
}

/// Members of every kind, with values on both sides of each limit of ustar.
let members: [TarMember] = {
  let long = Array(repeating: UInt8(ascii: "p"), count: 3000)
  var plain = TarMember(path: Array("a/b".utf8), kind: .regular, mode: 0o644)
  var result = [plain]
  for count in [99, 100, 101, 255, 256, 3000] {
    plain.path = Array(long.prefix(count))
    result.append(plain)
    result.append(TarMember(path: plain.path, kind: .directory, mode: 0o755))
    result.append(TarMember(path: [0x6C], kind: .symbolicLink(target: plain.path), mode: 0o777))
    result.append(TarMember(path: [0x6C], kind: .hardLink(target: plain.path), mode: 0o777))
  }
  for name in ["ü/日本", "new\nline", "a=b", "%3D", "a b", "..", "/absolute"] {
    result.append(TarMember(path: Array(name.utf8), kind: .regular, mode: 0o7777))
  }
  for name: [UInt8] in [[0xFF], [0xC3, 0x28], Array(repeating: 0x80, count: 300)] {
    result.append(TarMember(path: name, kind: .symbolicLink(target: name), mode: 0o777))
    result.append(TarMember(path: name, kind: .directory, mode: 0o700, userName: name, groupName: name))
  }
  for (seconds, nanoseconds): (Int64, UInt32) in [
    (0, 1), (0, 999_999_999), (-1, 0), (-1, 1), (-2, 500_000_000), (8_589_934_591, 0), (8_589_934_592, 0),
    (8_589_934_592, 120_000_000), (.max, 1), (-Int64.max, 5), (-1, 999_999_999), (1, 100_000_000),
  ] {
    plain.modified = .init(seconds: seconds, nanoseconds: nanoseconds)
    result.append(plain)
    var changed = plain
    (changed.modified, changed.changed) = (.init(seconds: 1), plain.modified)
    result.append(changed)
  }
  for id: UInt32 in [0o7777777, 0o10000000, .max] {
    result.append(
      TarMember(path: [0x75], kind: .fifo, mode: 0, userID: id, groupID: id, userName: [0x75], groupName: [0x67]))
    result.append(TarMember(path: [0x75], kind: .characterDevice(major: id, minor: 0), mode: 0o600))
    result.append(TarMember(path: [0x75], kind: .blockDevice(major: 8, minor: id), mode: 0o600))
  }
  for count in [31, 32, 33] {
    result.append(
      TarMember(path: [0x75], kind: .fifo, mode: 0, userName: Array(long.prefix(count)), groupName: [0xC3, 0xBC]))
  }
  result.append(TarMember(path: [], kind: .directory, mode: 0o700))
  let attributes: [[UInt8]: [UInt8]] = [
    Array("user.empty".utf8): [], Array("user.binary".utf8): [0, 10, 255, 61, 0], Array("user.a=b%3D".utf8): [1],
    Array("user.\n".utf8): Array(repeating: 10, count: 70_000), [0xFF]: [0],
  ]
  result.append(TarMember(path: [0x78], kind: .regular, mode: 0o600, extendedAttributes: attributes))
  return result
}()

@Suite("Round trips") struct RoundTripTests {
  @Test func `each member is read as it was written, by both readers`() throws {
    for member in members {
      let header = try member.encodedHeader()
      #expect(try TarMember.parseMember(prefix: header) == .member(member, headerLength: header.count))
      let read = try readAll(header)
      #expect(read.map(\.member) == [member])
      #expect(try member.encodedHeader() == header)
      #expect(try header.count <= member.encodedHeaderCapacity())
    }
  }

  @Test func `sizes beyond 8 GiB are kept`() throws {
    for size: UInt64 in [8_589_934_591, 8_589_934_592, UInt64(Int64.max)] {
      let member = TarMember(path: [0x62], kind: .regular, mode: 0o644, size: size)
      let header = try member.encodedHeader()
      #expect(try TarMember.parseMember(prefix: header) == .member(member, headerLength: header.count))
    }
  }
}
