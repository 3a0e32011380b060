import GitStore
import NIOCore
import TestSupport
import Testing
import Vault

@testable import PeerSync

@Suite("Frames") struct FrameTests {
  @Test func `what is encoded is decoded`() throws {
    for frame in try Corpus.frames() {
      let bytes = [UInt8](frame.encoded().readableBytesView)
      #expect(try Corpus.decode(bytes) == frame)
    }
  }

  @Test func `every byte counts: a changed frame is another frame or none`() throws {
    for frame in try Corpus.frames() {
      let bytes = [UInt8](frame.encoded().readableBytesView)
      for index in bytes.indices where bytes.count < 600 {
        for bit in 0..<8 {
          var changed = bytes
          changed[index] ^= 1 << bit
          guard let decoded = try? Corpus.decode(changed) else { continue }
          // A refusal's code that this version does not know is read as "other".
          if case .refused = decoded { continue }
          #expect(decoded != frame)
          #expect([UInt8](decoded.encoded().readableBytesView) == changed)
        }
      }
    }
  }

  @Test func `a truncated or longer frame is refused`() throws {
    for frame in try Corpus.frames() {
      if case .updateData = frame { continue }
      let body = [UInt8](frame.encoded().readableBytesView).dropFirst(Frame.headerSize)
      for count in 0..<min(body.count, 200) {
        #expect(throws: FrameFlaw.self) { try Frame(frame.kind, body: [UInt8](body.prefix(count))) }
      }
      #expect(throws: FrameFlaw.length) { try Frame(frame.kind, body: body + [0]) }
    }
  }

  @Test func `a later version's HELLO may be longer`() throws {
    var hello = try Corpus.hello()
    hello.version = 2
    let body = [UInt8](Frame.hello(hello).encoded().readableBytesView).dropFirst(Frame.headerSize)
    #expect(try Frame(.hello, body: body + [1, 2, 3]) == .hello(hello))
  }

  @Test func `text for people is cut and cleaned before it is sent`() throws {
    let sentence = String(repeating: "ä", count: 400) + "\u{1B}[2J"
    let frame = Frame.refused(JoinRefusal(.expired, "a\u{202E}b\n" + sentence))
    let bytes = [UInt8](frame.encoded().readableBytesView)
    guard case .refused(let refusal) = try Corpus.decode(bytes) else { return #expect(Bool(false)) }
    #expect(refusal.sentence.hasPrefix("abää"))
    #expect(refusal.sentence.utf8.count <= 512)
  }

  @Test(arguments: [
    (Frame.Kind.announce, [0, 1, 7] + [UInt8]("members".utf8) + [UInt8](repeating: 0, count: 20), FrameFlaw.value),
    (.announce, [0, 1, 4] + [UInt8]("main".utf8) + [UInt8](repeating: 1, count: 20), .value),
    (.announce, [0, 1, 9] + [UInt8]("../../etc".utf8) + [UInt8](repeating: 1, count: 20), .value),
    (.announce, [0, 1, 2, 0xC3, 0x28] + [UInt8](repeating: 1, count: 20), .text),
    (
      .wantMembers,
      [0, 1, 58] + [UInt8]("nodes/\(String(repeating: "a", count: 52))".utf8) + [UInt8](repeating: 1, count: 20), .value
    ),
    (.announce, [0xFF, 0xFF], .tooMany), (.announce, [0, 1], .length), (.updateBegin, [0, 0], .value),
  ])
  func `tips out of the rules are refused`(kind: Frame.Kind, tips: [UInt8], flaw: FrameFlaw) {
    #expect(throws: flaw) { try Frame(kind, body: [UInt8](repeating: 9, count: 32) + tips) }
  }

  private static let instance = [UInt8](repeating: 1, count: 24)
  private static let refusal = [7] + [UInt8]("members".utf8) + [0, 0]

  @Test(arguments: [
    (Frame.Kind.hello, [0, 0] + instance + [0, 0, 0], FrameFlaw.value),
    (.hello, [0, 1] + instance + [0, 0, 9], .tooMany),
    (.hello, [0, 1] + instance + [0, 0, 1, 0, 3] + [UInt8]("h:0".utf8), .value),
    (.hello, [0, 1] + instance + [0, 65] + [UInt8](repeating: 0x61, count: 65) + [0], .tooLong),
    (.updateData, [], .length),
    (.updateResult, [0, 0, 4, 1], .tooMany),
    (.updateResult, [0, 0, 0, 2] + refusal + refusal, .value),
    (.joined, [UInt8](repeating: 9, count: 32) + [0, 129] + [UInt8](repeating: 0x61, count: 129), .tooLong),
    (.joined, [UInt8](repeating: 9, count: 32) + [0, 1, 0x1B], .text),
    (.join, [15] + [UInt8](repeating: 1, count: 15) + [0, 0, 0, 0, 0], .value),
    (.join, [33] + [UInt8](repeating: 1, count: 33) + [0, 0, 0, 0, 0], .value),
  ])
  func `fields out of the rules are refused`(kind: Frame.Kind, body: [UInt8], flaw: FrameFlaw) {
    #expect(throws: flaw) { try Frame(kind, body: body) }
  }
}

/// One valid frame of each kind, or more.
enum Corpus {
  static func node(_ byte: UInt8) throws -> NodeID {
    try #require(NodeID(publicKey: [UInt8](repeating: byte, count: 32)))
  }

  static func hello() throws -> Frame.Hello {
    Frame.Hello(
      instance: Instance(high: 0x0102_0304_0506_0708, low: 9), dial: 3, program: "polykey 1.0",
      addresses: [try PeerAddress("[::1]:4117"), try PeerAddress("home.example:1")])
  }

  static func frames() throws -> [Frame] {
    let vault = VaultID(bytes: [UInt8](repeating: 3, count: 32))
    let tips: Tips = [
      "members": .of(.blob, [1]), "nodes/\(try node(1))": .of(.blob, [2]), "nodes/\(try node(2))": .of(.blob, [3]),
    ]
    return [
      .hello(try hello()), .ping(7), .pong(.max), .ready, .announce(vault, tips), .announce(vault, [:]),
      .want(vault, tips), .wantMembers(vault, tips.filter { $0.key == "members" }), .current(vault, tips),
      .updateBegin(vault, tips), .updateData([0, 1, 2]),
      .updateData(blob(Frame.dataLimit)), .updateEnd, .updateAbort,
      .updateResult(Admission(moved: tips, refused: ["members": "not by an owner"])), .updateResult(Admission()),
      .join(
        JoinRequest(
          token: [UInt8](1...16), recipient: "age1x", label: "böb", addresses: [try PeerAddress("10.0.0.1:5")])),
      .joined(vault, name: "default"), .refused(JoinRefusal(.used, "Somebody joined with it.")),
    ]
  }

  /// The one frame that `bytes` are, judged as a connection does.
  static func decode(_ bytes: [UInt8]) throws(FrameFlaw) -> Frame {
    guard bytes.count >= Frame.headerSize else { throw .length }
    let count = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    guard let kind = Frame.Kind(rawValue: bytes[4]) else { throw .unknownType }
    guard count <= kind.limit else { throw .tooLong }
    guard bytes.count == Frame.headerSize + count else { throw .length }
    return try Frame(kind, body: [UInt8](bytes.dropFirst(Frame.headerSize)))
  }
}
