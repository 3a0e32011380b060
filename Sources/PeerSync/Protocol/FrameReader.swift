internal import GitStore
internal import Vault

extension Frame {
  /// The frame of this type with this body, which is not longer than its type allows.
  ///
  /// - Throws: What is wrong with it. Nothing is repaired, and nothing may be left over.
  init(_ kind: Kind, body: [UInt8]) throws(FrameFlaw) {
    var reader = FrameReader(body)
    switch kind {
    case .hello: self = .hello(try reader.hello())
    case .ping: self = .ping(try reader.integer())
    case .pong: self = .pong(try reader.integer())
    case .ready: self = .ready
    case .announce: self = .announce(try reader.vault(), try reader.tips())
    case .want: self = .want(try reader.vault(), try reader.tips())
    case .wantMembers:
      let (vault, tips) = (try reader.vault(), try reader.tips())
      guard tips.keys.allSatisfy(Frame.isOfMembers) else { throw .value }
      self = .wantMembers(vault, tips)
    case .current: self = .current(try reader.vault(), try reader.tips())
    case .updateBegin:
      let (vault, tips) = (try reader.vault(), try reader.tips())
      guard !tips.isEmpty else { throw .value }
      self = .updateBegin(vault, tips)
    case .updateData:
      guard !body.isEmpty else { throw .length }
      self = .updateData(body)
      return
    case .updateEnd: self = .updateEnd
    case .updateAbort: self = .updateAbort
    case .updateResult: self = .updateResult(try reader.admission())
    case .join: self = .join(try reader.join())
    case .joined: self = .joined(try reader.vault(), name: try reader.text(limit: Frame.nameLimit))
    case .refused:
      let code = JoinRefusal.Code(rawValue: try reader.integer()) ?? .other
      self = .refused(JoinRefusal(code, try reader.text(limit: Frame.sentenceLimit)))
    }
    try reader.finish()
  }
}

/// Reads the fields of one body, front to back.
struct FrameReader {
  private let body: [UInt8]
  private var offset = 0

  init(_ body: [UInt8]) { self.body = body }

  /// Everything must have been read.
  func finish() throws(FrameFlaw) {
    guard offset == body.count else { throw .length }
  }

  mutating func bytes(_ count: Int) throws(FrameFlaw) -> ArraySlice<UInt8> {
    guard count <= body.count - offset else { throw .length }
    defer { offset += count }
    return body[offset..<offset + count]
  }

  /// An integer, big-endian.
  mutating func integer<T: FixedWidthInteger & UnsignedInteger>() throws(FrameFlaw) -> T {
    var value: UInt64 = 0
    for byte in try bytes(T.bitWidth / 8) { value = value << 8 | UInt64(byte) }
    return T(truncatingIfNeeded: value)
  }

  mutating func vault() throws(FrameFlaw) -> VaultID { VaultID(bytes: [UInt8](try bytes(32))) }

  /// Text of at most `limit` bytes after its length in two bytes.
  mutating func text(limit: Int) throws(FrameFlaw) -> String {
    let count: UInt16 = try integer()
    guard Int(count) <= limit else { throw .tooLong }
    guard let text = String(validating: try bytes(Int(count)), as: UTF8.self),
      text.unicodeScalars.allSatisfy(\.isPrintable)
    else { throw .text }
    return text
  }

  /// The short name of a branch: "members", "nodes/" or "acks/" and a node id, or "lost/" and a commit's name.
  mutating func name() throws(FrameFlaw) -> String {
    let count: UInt8 = try integer()
    guard let name = String(validating: try bytes(Int(count)), as: UTF8.self) else { throw .text }
    guard
      name == "members" || Frame.author(of: name) != nil || Frame.isFork(name) || BranchName.acknowledging(name) != nil
    else { throw .value }
    return name
  }

  /// Branches in ascending order of their names, each once.
  mutating func tips() throws(FrameFlaw) -> Tips {
    let count: UInt16 = try integer()
    guard Int(count) <= Frame.tipLimit else { throw .tooMany }
    var tips: Tips = [:]
    var last = ""
    for _ in 0..<count {
      let name = try name()
      guard last < name, let tip = ObjectName(bytes: try bytes(ObjectName.byteCount)), tip != .zero else {
        throw .value
      }
      tips[name] = tip
      last = name
    }
    return tips
  }

  mutating func admission() throws(FrameFlaw) -> Admission {
    var admission = Admission(moved: try tips())
    let count: UInt16 = try integer()
    guard Int(count) <= Frame.refusalLimit else { throw .tooMany }
    var last = ""
    for _ in 0..<count {
      let name = try name()
      guard last < name else { throw .value }
      admission.refused[name] = try text(limit: Frame.sentenceLimit)
      last = name
    }
    return admission
  }

  mutating func addresses() throws(FrameFlaw) -> [PeerAddress] {
    let count: UInt8 = try integer()
    guard Int(count) <= PairingCode.addressLimit else { throw .tooMany }
    var addresses: [PeerAddress] = []
    for _ in 0..<count {
      let text = try text(limit: PeerAddress.textLimit)
      guard let address = try? PeerAddress(text), address.port != 0 else { throw .value }
      addresses.append(address)
    }
    return addresses
  }

  mutating func hello() throws(FrameFlaw) -> Frame.Hello {
    let version: UInt16 = try integer()
    guard version >= 1 else { throw .value }
    let hello = Frame.Hello(
      version: version, instance: Instance(high: try integer(), low: try integer()), dial: try integer(),
      program: try text(limit: Frame.programLimit), addresses: try addresses())
    // Later versions may add fields at the end, which this one passes over.
    if version > Frame.Hello.ownVersion { offset = body.count }
    return hello
  }

  mutating func join() throws(FrameFlaw) -> JoinRequest {
    let count: UInt8 = try integer()
    guard (16...32).contains(count) else { throw .value }
    return JoinRequest(
      token: [UInt8](try bytes(Int(count))), recipient: try text(limit: Frame.recipientLimit),
      label: try text(limit: Frame.labelLimit), addresses: try addresses())
  }
}

extension Frame {
  /// Whether it is the name of a fork of the members' log that lost.
  static func isFork(_ name: String) -> Bool {
    name.hasPrefix("lost/") && ObjectName(hex: name.dropFirst("lost/".count).utf8) != nil
  }

  /// Whether it is the name of the members' log, of a fork of it, or of an acknowledgement.
  static func isOfMembers(_ name: String) -> Bool { BranchName.isOfMembers(name) }

  /// The node whose branch has this short name; nil for "members" and for anything else.
  static func author(of name: String) -> NodeID? {
    name.hasPrefix("nodes/") ? NodeID(name.dropFirst("nodes/".count)) : nil
  }
}
