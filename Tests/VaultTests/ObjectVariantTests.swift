import Age
import GitStore
import TarStream
import Testing
import VirtualFS

@testable import Vault

/// Everything that tar, pax and age allow and docs/format.md does not: another reader, or a stock `tar`, could understand it otherwise.
///
/// Each is refused as damage by who reads it, and found by `verify`.
@Suite("Variants of objects") struct ObjectVariantTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    let name: String
    /// The plaintexts of the object and its parts.
    let blobs: [[UInt8]]
    var testDescription: String { name }
  }

  private static let regular = TarMember(
    path: [UInt8]("dir/file".utf8), kind: .regular, mode: 0o640, userID: 7, groupID: 8,
    modified: .init(seconds: 981_173_106), size: 3)

  private static func plain(_ member: TarMember = regular, content: String = "abc") throws -> [UInt8] {
    let content = [UInt8](content.utf8)
    return try member.encodedHeader() + content
      + [UInt8](repeating: 0, count: TarMember.padding(forSize: UInt64(content.count)))
  }

  private static func member(_ change: (inout TarMember) -> Void) -> TarMember {
    var member = regular
    change(&member)
    return member
  }

  private static func link(_ path: String = "other", _ change: (inout TarMember) -> Void = { _ in }) -> TarMember {
    member {
      $0.path = [UInt8](path.utf8)
      $0.kind = .hardLink(target: regular.path)
      $0.size = 0
      change(&$0)
    }
  }

  /// The bytes with others at an offset, and the sum of the block that begins at `base` put right.
  private static func changed(_ bytes: [UInt8], at offset: Int, to text: [UInt8], base: Int = 0) -> [UInt8] {
    var bytes = bytes
    bytes.replaceSubrange(offset..<offset + text.count, with: text)
    bytes.replaceSubrange(base + 148..<base + 156, with: [UInt8](repeating: 0x20, count: 8))
    let sum = String(bytes[base..<base + 512].reduce(0) { $0 + Int($1) }, radix: 8).utf8
    bytes.replaceSubrange(
      base + 148..<base + 155, with: [UInt8](repeating: 0x30, count: 6 - sum.count) + sum + [0])
    return bytes
  }

  private static func field(_ offset: Int, _ text: String) throws -> [UInt8] {
    changed(try plain(), at: offset, to: [UInt8](text.utf8))
  }

  /// A block of this type with a payload, before the sound object.
  private static func headed(_ type: Character, _ payload: [UInt8], name: String = "PaxHeaders/x") throws -> [UInt8] {
    let header = try TarMember(path: [UInt8](name.utf8), kind: .regular, mode: 0o644, size: UInt64(payload.count))
      .encodedHeader()
    let padding = [UInt8](repeating: 0, count: TarMember.padding(forSize: UInt64(payload.count)))
    return changed(header, at: 156, to: [UInt8](String(type).utf8)) + payload + padding + (try plain())
  }

  private static func records(_ records: (String, String)...) -> [UInt8] {
    records.flatMap { keyword, value in
      let rest = " \(keyword)=\(value)\n"
      var length = rest.utf8.count + 1
      while "\(length)\(rest)".utf8.count != length { length += 1 }
      return [UInt8]("\(length)\(rest)".utf8)
    }
  }

  private static let zeros = [UInt8](repeating: 0, count: 512)
  private static let part = [UInt8](repeating: 7, count: 1 << 20)

  /// A file of 1 MiB and 3 bytes, in parts; the last holds zeros and links.
  private static func large(
    _ header: [UInt8]? = nil, parts: [[UInt8]] = [part, [1, 2, 3]], tail: [[UInt8]] = [Array(zeros.dropLast(3))]
  ) throws -> [[UInt8]] {
    [try header ?? member { $0.size = (1 << 20) + 3 }.encodedHeader()] + parts + tail
  }

  /// What docs/format.md describes.
  static var sound: [Variant] {
    get throws {
      [
        Variant(name: "a file", blobs: [try plain()]),
        Variant(name: "an empty file", blobs: [try plain(member { $0.size = 0 }, content: "")]),
        Variant(
          name: "a full block",
          blobs: [try plain(member { $0.size = 512 }, content: String(repeating: "a", count: 512))]),
        Variant(name: "with a link", blobs: [try plain() + link().encodedHeader()]),
        Variant(name: "with two links", blobs: [try plain() + link().encodedHeader() + link("third").encodedHeader()]),
        Variant(
          name: "with records",
          blobs: [
            try plain(
              member {
                $0.modified = .init(seconds: -2, nanoseconds: 500_000_000)
                $0.path = [UInt8](String(repeating: "d/", count: 80).utf8) + [0xFF]
                $0.extendedAttributes = [[UInt8]("user.a=b%".utf8): [0, 10]]
                $0.userID = .max
              })
          ]),
        Variant(
          name: "a link's longest target",
          blobs: [
            try member {
              $0.kind = .symbolicLink(target: [UInt8](repeating: 0x61, count: 4095))
              $0.size = 0
            }.encodedHeader()
          ]),
        Variant(
          name: "a device",
          blobs: [
            try member {
              $0.kind = .blockDevice(major: 7, minor: 0)
              $0.size = 0
            }.encodedHeader()
          ]),
        Variant(name: "a large file", blobs: try large()),
        Variant(
          name: "a large file with a link",
          blobs: try large(tail: [Array(zeros.dropLast(3)) + link { $0.size = 0 }.encodedHeader()])),
        Variant(
          name: "a large file of whole blocks",
          blobs: [try member { $0.size = (1 << 20) + 512 }.encodedHeader(), part, zeros]),
      ]
    }
  }

  static var unsound: [Variant] {
    get throws {
      let header = try regular.encodedHeader()
      let bodiless = try member { $0.size = 0 }.encodedHeader()
      let linked = try plain()
      var variants: [(String, [[UInt8]])] = [
        // The archive's form.
        ("nothing", [[]]), ("half a header", [Array(header.prefix(300))]),
        ("zeros that end an archive, behind", [try plain() + zeros + zeros]),
        ("a block of zeros behind", [try plain() + zeros]), ("a block of zeros before", [zeros + (try plain())]),
        ("zeros only", [zeros + zeros]), ("bytes behind", [try plain() + [0]]),
        ("no zeros behind the content", [header + [UInt8]("abc".utf8)]),
        ("one zero too few", [Array(try plain().dropLast())]),
        ("one of the zeros is none", [Array(try plain().dropLast()) + [1]]),
        ("content cut", [header + [UInt8]("ab".utf8)]), ("no content", [header]),
        ("a second file", [try plain() + (try plain(member { $0.path = [UInt8]("two".utf8) }))]),
        ("the same file twice", [try plain() + (try plain())]), ("a link alone", [try link().encodedHeader()]),
        // Types.
        ("a global header before", [try headed("g", records(("comment", "x")))]),
        ("a global header with a path", [try headed("g", records(("path", "elsewhere")))]),
        ("a global header behind", [try plain() + (try headed("g", records(("uid", "0"))))]),
        ("GNU's long name", [try headed("L", [UInt8]("dir/other\0".utf8), name: "././@LongLink")]),
        ("GNU's long link", [try headed("K", [UInt8]("dir/other\0".utf8), name: "././@LongLink")]),
        ("GNU's volume label", [try headed("V", [])]), ("GNU's incremental directory", [try field(156, "D")]),
        ("GNU's sparse file", [try field(156, "S")]), ("a part of a volume", [try field(156, "M")]),
        ("Solaris' extended header", [try headed("X", records(("path", "elsewhere")))]),
        ("a type that nobody knows", [try field(156, "Z")]), ("V7's type", [try field(156, "\0")]),
        ("a contiguous file", [try field(156, "7")]),
        ("a hard link with content", [try field(156, "1")]), ("a directory with content", [try field(156, "5")]),
        ("a pipe with content", [try field(156, "6")]), ("a symbolic link with content", [try field(156, "2")]),
        // Fields.
        ("GNU's magic", [try field(257, "ustar  \0")]),
        ("no magic", [changed(try plain(), at: 257, to: [0, 0, 0, 0, 0, 0, 0, 0])]),
        ("another version", [try field(263, "01")]), ("a prefix", [try field(345, "else")]),
        ("a user's name", [try plain(member { $0.userName = [UInt8]("root".utf8) })]),
        ("a group's name", [try plain(member { $0.groupName = [UInt8]("root".utf8) })]),
        ("spaces in a number", [try field(100, "   640 \0")]), ("a number without end", [try field(100, "00000640")]),
        ("a number that ends in a space", [try field(100, "0000640 ")]),
        ("an empty number", [changed(try plain(), at: 108, to: Array(zeros.prefix(8)))]),
        ("a number in base 256", [changed(try plain(), at: 108, to: [0x80, 0, 0, 0, 0, 0, 0, 7])]),
        ("a file type in the mode", [try field(100, "0100640\0")]), ("the sum in seven digits", [seven(try plain())]),
        ("a device number of a file", [try field(329, "0000001\0")]),
        ("a link name of a file", [try field(157, "dir/other")]),
        ("bytes behind the name's end", [try field(50, "x")]),
        ("bytes at the block's end", [try field(500, "x")]),
        (
          "a wrong sum",
          [
            { (b: [UInt8]) in
              var b = b
              b[0] = 0x65
              return b
            }(try plain())
          ]
        ),
        ("a slash behind a file's name", [try field(8, "/")]), ("dots before the name", [try field(0, "./file\0\0")]),
        // Records.
        ("a path that a field can hold", [try headed("x", records(("path", "dir/file")))]),
        ("another path than the field's", [try headed("x", records(("path", "elsewhere")))]),
        ("a size that a field can hold", [try headed("x", records(("size", "3")))]),
        ("another size than the field's", [try headed("x", records(("size", "2")))]),
        ("a time that a field can hold", [try headed("x", records(("mtime", "981173106")))]),
        ("a time with zeros at its end", [try headed("x", records(("mtime", "981173106.50")))]),
        ("a uid that a field can hold", [try headed("x", records(("uid", "7")))]),
        ("a time of access", [try headed("x", records(("atime", "1.5")))]),
        ("a comment", [try headed("x", records(("comment", "x")))]),
        ("a record of a vendor", [try headed("x", records(("VENDOR.key", "x")))]),
        ("GNU's sparse map", [try headed("x", records(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")))]),
        ("a POSIX ACL", [try headed("x", records(("SCHILY.acl.access", "user::rwx")))]),
        ("a label of SELinux", [try headed("x", records(("RHT.security.selinux", "u")))]),
        ("libarchive's attribute", [try headed("x", records(("LIBARCHIVE.xattr.user.a", "YQ")))]),
        ("a charset that is the usual one", [try headed("x", records(("hdrcharset", "ISO-IR 10646 2000 UTF-8")))]),
        ("a needless charset", [try headed("x", records(("hdrcharset", "BINARY")))]),
        ("a user's name in a record", [try headed("x", records(("uname", "root")))]),
        ("an empty path", [try headed("x", records(("path", "")))]),
        ("a record twice", [try headed("x", records(("mtime", "1.5"), ("mtime", "2.5")))]),
        ("records in another order", [try headed("x", records(("mtime", "2.5"), ("SCHILY.xattr.user.a", "b")))]),
        ("an attribute's name escaped otherwise", [try headed("x", records(("SCHILY.xattr.user.%a", "b")))]),
        ("no records", [try headed("x", [])]),
        ("two headers of records", [try headed("x", records(("mtime", "1.5"))) + headed("x", [])]),
        ("another name of the records", [try renamed(member { $0.modified = .init(seconds: 1, nanoseconds: 5) })]),
        ("bytes behind the records", [try afterRecords(member { $0.modified = .init(seconds: 1, nanoseconds: 5) })]),
        // Names and targets.
        (
          "a target of 4,096 bytes",
          [
            try member {
              $0.kind = .symbolicLink(target: [UInt8](repeating: 0x61, count: 4096))
              $0.size = 0
            }.encodedHeader()
          ]
        ),
        (
          "a target of a MiB",
          [
            try member {
              $0.kind = .symbolicLink(target: [UInt8](repeating: 0x61, count: 1_000_000))
              $0.size = 0
            }.encodedHeader()
          ]
        ),
        // Further links.
        (
          "a link to elsewhere",
          [linked + (try link { $0.kind = .hardLink(target: [UInt8]("else".utf8)) }.encodedHeader())]
        ),
        (
          "a link to the link",
          [
            linked + (try link().encodedHeader())
              + (try link("c") { $0.kind = .hardLink(target: [UInt8]("other".utf8)) }.encodedHeader())
          ]
        ),
        ("a link of another mode", [linked + (try link { $0.mode = 0o4755 }.encodedHeader())]),
        ("a link of another owner", [linked + (try link { $0.userID = 0 }.encodedHeader())]),
        ("a link of another time", [linked + (try link { $0.modified = .init(seconds: 0) }.encodedHeader())]),
        (
          "a link with attributes",
          [linked + (try link { $0.extendedAttributes = [[UInt8]("user.a".utf8): [1]] }.encodedHeader())]
        ),
        ("a link twice", [linked + (try link().encodedHeader()) + (try link().encodedHeader())]),
        ("a link to itself", [linked + (try link("dir/file").encodedHeader())]),
        (
          "a link of a directory",
          [try bodilessDirectory + (try link { $0.kind = .hardLink(target: [UInt8]("dir/file".utf8)) }.encodedHeader())]
        ),
        (
          "a symbolic link behind",
          [linked + (try link { $0.kind = .symbolicLink(target: [UInt8]("x".utf8)) }.encodedHeader())]
        ),
        ("zeros between links", [linked + (try link().encodedHeader()) + zeros + (try link("c").encodedHeader())]),
        // Parts.
        ("a part of a small file", [try plain(), [1]]), ("a part of an empty file", [bodiless, zeros]),
        ("content with the header of parts", try large(member { $0.size = (1 << 20) + 3 }.encodedHeader() + zeros)),
        ("no zeros behind parts", try large(tail: [])),
        ("too few zeros behind parts", try large(tail: [Array(zeros.dropLast(4))])),
        ("too many zeros behind parts", try large(tail: [zeros])),
        ("no zeros are zeros", try large(tail: [Array(repeating: 1, count: 509)])),
        ("an empty last part", [try member { $0.size = (1 << 20) + 512 }.encodedHeader(), part, zeros, []]),
        ("two parts behind", try large(tail: [Array(zeros.dropLast(3)), Array(repeating: 0, count: 512)])),
        ("a part too few", try large(parts: [part], tail: [])),
        ("a short part", try large(parts: [Array(part.dropLast()), [1, 2, 3]])),
        ("a long part", try large(parts: [part + [1], [1, 2, 3]])),
        ("a short last part", try large(parts: [part, [1, 2]])),
        (
          "a link's end behind parts",
          try large(tail: [Array(zeros.dropLast(3)) + Array(link().encodedHeader().prefix(100))])
        ),
      ]
      // Sizes that are nowhere near.
      for size: UInt64 in [1, 1 << 20, 1 << 33, 1 << 40, UInt64(Int64.max)] {
        variants.append(("a size of \(size)", [try member { $0.size = size }.encodedHeader()]))
      }
      return variants.map { Variant(name: $0.0, blobs: $0.1) }
    }
  }

  private static var bodilessDirectory: [UInt8] {
    get throws {
      try member {
        $0.kind = .directory
        $0.size = 0
      }.encodedHeader()
    }
  }

  /// With the sum as seven digits and a NUL, which some programs write.
  private static func seven(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    bytes.replaceSubrange(148..<156, with: [0x30] + bytes[148..<154] + [0])
    return bytes
  }

  private static func renamed(_ member: TarMember) throws -> [UInt8] {
    changed(try plain(member), at: 0, to: [UInt8]("PaxHeaders/y".utf8))
  }

  private static func afterRecords(_ member: TarMember) throws -> [UInt8] {
    var bytes = try plain(member)
    bytes[1023] = 1
    return bytes
  }

  /// Stores an object of these plaintexts, and returns its entries.
  private func store(
    _ blobs: [[UInt8]], in sample: Sample, sealedBy seal: ([UInt8]) throws -> NewObject
  ) throws -> [DataTree.Entry] {
    let key = ObjectKey(ObjectID(high: 1, low: 2))
    let objects = try blobs.map(seal)
    try sample.vault.repository.add(objects, durable: false)
    return objects.enumerated().map {
      DataTree.Entry(slot: Slot(key, position: UInt32($0.offset)), blob: $0.element.name)
    }
  }

  /// Reads all of an object, as `verify` does.
  private func read(_ entries: [DataTree.Entry], in sample: Sample) throws(VaultError) {
    var (seen, sound, summary) = (Set<ObjectName>(), Set<ContentReference>(), VerificationSummary())
    _ = try ObjectSealer(sample.vault).verify(
      ObjectKey(ObjectID(high: 1, low: 2)), entries: entries[...], seen: &seen, sound: &sound, summary: &summary)
  }

  private func seal(_ plain: [UInt8], _ sample: Sample) throws -> NewObject {
    let block = unsafe Block(count: plain.count) { unsafe $0.copyBytes(from: plain) }
    return try ObjectSealer(sample.vault).sealPart(block, length: plain.count)
  }

  @Test func `what the page describes is read`() throws {
    let sample = try Sample()
    for variant in try ObjectVariantTests.sound {
      let entries = try store(variant.blobs, in: sample) { try seal($0, sample) }
      #expect(throws: Never.self, "\(variant.name)") { try read(entries, in: sample) }
    }
  }

  @Test func `whatever else tar allows is damage, and each variant is found`() throws {
    let sample = try Sample()
    let variants = try ObjectVariantTests.unsound
    #expect(variants.count > 100)
    for variant in variants {
      let entries = try store(variant.blobs, in: sample) { try seal($0, sample) }
      let error = #expect(throws: VaultError.self, "\(variant.name)") { try read(entries, in: sample) }
      #expect(error?.isUnreadable == true, "\(variant.name)")
    }
  }

  /// A blob that was found sound as one thing is not sound as another.
  @Test func `what is sound in one place is looked at again in another`() throws {
    let sample = try Sample()
    let entries = try store(
      try ObjectVariantTests.large(), in: sample
    ) { try seal($0, sample) }
    try read(entries, in: sample)
    var (seen, sound, summary) = (Set<ObjectName>(), Set<ContentReference>(), VerificationSummary())
    let key = ObjectKey(ObjectID(high: 1, low: 2))
    let sealer = ObjectSealer(sample.vault)
    _ = try sealer.verify(key, entries: entries[...], seen: &seen, sound: &sound, summary: &summary)
    // The same blobs with the last part in the place of the first.
    var mixed = entries
    mixed[1] = .init(slot: entries[1].slot, blob: entries[2].blob)
    #expect(throws: VaultError.self) {
      try sealer.verify(key, entries: mixed[...], seen: &seen, sound: &sound, summary: &summary)
    }
  }

  @Test func `a file to two recipients, or in armor, is damage`() throws {
    let sample = try Sample()
    let plain = try ObjectVariantTests.plain()
    let keys = try #require(sample.vault.keys)
    let one = try keys.encrypt([PlainBytes(copying: plain)])
    #expect(throws: Never.self) { _ = try keys.decrypt(one, of: .zero) }
    // Stock age opens a file that is also for somebody else.
    let blob = try #require(sample.vault.membership.keys[1])
    let files = KeyFiles(identity: sample.keynode.identity)
    let epoch = try #require(try files.identities(blob, in: sample.vault.repository)?.first?.recipient)
    for recipients in try [[epoch, X25519Identity().recipient], [X25519Identity().recipient, epoch], [epoch, epoch]] {
      let two = unsafe try AgeFile.encrypt(plain.span.bytes, to: recipients)
      #expect(throws: VaultError.objectDamaged(.zero)) { _ = try keys.decrypt(two, of: .zero) }
    }
    #expect(throws: VaultError.objectDamaged(.zero)) {
      _ = try keys.decrypt([UInt8]("-----BEGIN AGE ENCRYPTED FILE-----\n".utf8) + one, of: .zero)
    }
    #expect(throws: VaultError.objectDamaged(.zero)) { _ = try keys.decrypt(Array(one.prefix(100)), of: .zero) }
  }
}
