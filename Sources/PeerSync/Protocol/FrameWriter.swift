internal import GitStore
internal import NIOCore
internal import Vault

extension Frame {
  /// The frame as it is sent.
  func encoded() -> ByteBuffer {
    var body = ByteBuffer()
    if case .updateData(let bytes) = self { body.reserveCapacity(Frame.headerSize + bytes.count) }
    body.writeInteger(UInt32(0))
    body.writeInteger(kind.rawValue)
    write(to: &body)
    let count = body.readableBytes - Frame.headerSize
    precondition(count <= kind.limit, "what we send is within the limits")
    body.setInteger(UInt32(count), at: 0)
    return body
  }

  private func write(to body: inout ByteBuffer) {
    switch self {
    case .hello(let hello):
      body.writeInteger(hello.version)
      body.writeInteger(hello.instance.high)
      body.writeInteger(hello.instance.low)
      body.writeInteger(hello.dial)
      body.write(text: hello.program, limit: Frame.programLimit)
      body.write(addresses: hello.addresses)
    case .ping(let number), .pong(let number): body.writeInteger(number)
    case .ready, .updateEnd, .updateAbort: break
    case .announce(let vault, let tips), .want(let vault, let tips), .wantMembers(let vault, let tips),
      .current(let vault, let tips), .updateBegin(let vault, let tips):
      body.writeBytes(vault.bytes)
      body.write(tips: tips)
    case .updateData(let bytes): body.writeBytes(bytes)
    case .updateResult(let admission):
      body.write(tips: admission.moved)
      let refused = admission.refused.sorted(by: { $0.key < $1.key }).prefix(Frame.refusalLimit)
      body.writeInteger(UInt16(refused.count))
      for (name, sentence) in refused {
        body.write(name: name)
        body.write(text: sentence, limit: Frame.sentenceLimit)
      }
    case .join(let request):
      body.writeInteger(UInt8(request.token.count))
      body.writeBytes(request.token)
      body.write(text: request.recipient, limit: Frame.recipientLimit)
      body.write(text: request.label, limit: Frame.labelLimit)
      body.write(addresses: request.addresses)
    case .joined(let vault, let name):
      body.writeBytes(vault.bytes)
      body.write(text: name, limit: Frame.nameLimit)
    case .refused(let refusal):
      body.writeInteger(refusal.code.rawValue)
      body.write(text: refusal.sentence, limit: Frame.sentenceLimit)
    }
  }
}

extension ByteBuffer {
  /// Sorted by name, as the decoder demands: one encoding for each set of tips.
  fileprivate mutating func write(tips: Tips) {
    let tips = tips.sorted(by: { $0.key < $1.key }).prefix(Frame.tipLimit)
    writeInteger(UInt16(tips.count))
    for (name, tip) in tips {
      write(name: name)
      writeBytes(tip.bytes)
    }
  }

  fileprivate mutating func write(name: String) {
    writeInteger(UInt8(name.utf8.count))
    writeString(name)
  }

  fileprivate mutating func write(addresses: [PeerAddress]) {
    writeInteger(UInt8(min(addresses.count, PairingCode.addressLimit)))
    for address in addresses.prefix(PairingCode.addressLimit) {
      write(text: address.description, limit: PeerAddress.textLimit)
    }
  }

  /// Text for people, cut to `limit` bytes and without what the decoder refuses.
  fileprivate mutating func write(text: String, limit: Int) {
    var clean = String.UnicodeScalarView()
    var count = 0
    for scalar in text.unicodeScalars where scalar.isPrintable {
      count += UTF8.width(scalar)
      if count > limit { break }
      clean.append(scalar)
    }
    let text = String(clean)
    writeInteger(UInt16(text.utf8.count))
    writeString(text)
  }
}

extension Unicode.Scalar {
  /// Whether it may stand in text from a peer: no control characters, and none that reorder a terminal's line.
  var isPrintable: Bool {
    switch value {
    case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: false
    default: true
    }
  }
}
