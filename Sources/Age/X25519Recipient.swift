internal import SecretMemory

/// The public half of an ``X25519Identity``: `age1…`.
public struct X25519Recipient: Recipient, Hashable, CustomStringConvertible {
  static let prefix: StaticString = "age"
  static let label: StaticString = "age-encryption.org/v1/X25519"

  let point: Bytes32

  init(point: Bytes32) { self.point = point }

  /// The recipient with the given 32-byte Curve25519 point.
  ///
  /// - Throws: ``AgeError/malformedKey(_:)`` if it is not 32 bytes.
  public init(publicKey: RawSpan) throws(AgeError) {
    guard publicKey.byteCount == X25519.byteCount else { throw .malformedKey(.length) }
    var point = Bytes32(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &point) { unsafe $0.copyMemory(from: publicKey.pointer) }
    self.point = point
  }

  /// The recipient that `text`, `age1…`, names.
  ///
  /// - Throws: ``AgeError/malformedKey(_:)``.
  public init(_ text: some StringProtocol) throws(AgeError) {
    let bytes = [UInt8](text.utf8)
    try unsafe self.init(encoded: bytes.span.bytes)
  }

  /// The recipient that the bytes of `encoded`, `age1…` without a line end, name.
  ///
  /// - Throws: ``AgeError/malformedKey(_:)``.
  public init(encoded: RawSpan) throws(AgeError) {
    var point = Bytes32(repeating: 0)
    do throws(KeyFault) {
      try unsafe withUnsafeMutableBytes(of: &point) { (buffer) throws(KeyFault) in
        try unsafe Bech32.decode(encoded.pointer, prefix: Self.prefix, into: buffer)
      }
    } catch {
      throw .malformedKey(error)
    }
    self.point = point
  }

  /// The recipient as text: `age1…`.
  public var description: String {
    let count = Bech32.encodedCount(prefix: Self.prefix)
    return unsafe String(unsafeUninitializedCapacity: count) { buffer in
      let output = unsafe UnsafeMutableRawBufferPointer(buffer).part(0, count)
      unsafe Bech32.encode(point.span.bytes, prefix: Self.prefix, into: output)
      return count
    }
  }

  /// Lends the 32-byte Curve25519 point to `body`.
  public func withPublicKey<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try unsafe body(point.span.bytes)
  }

  /// A stanza that gives `fileKey` to this recipient, with a fresh ephemeral share.
  ///
  /// - Throws: ``AgeError/malformedKey(_:)`` if the recipient's point has low order, so that it can keep no secret.
  public func wrap(fileKey: RawSpan) throws(AgeError) -> Stanza {
    try unsafe withWipedScratch(64) { (scratch) throws(AgeError) in
      let ephemeral = unsafe scratch.part(0, 32)
      let wrapKey = unsafe scratch.part(32, 32)
      unsafe Random.fill(ephemeral)
      let scalar = unsafe UnsafeRawBufferPointer(ephemeral).bytes
      let share = X25519.publicKey(of: scalar)
      guard
        unsafe Self.deriveWrapKey(
          scalar: scalar, point: point.span.bytes, share: share.span.bytes, recipient: point.span.bytes,
          into: wrapKey)
      else { throw .malformedKey(.lowOrder) }
      var text: [UInt8] = []
      text.reserveCapacity(Base64.encodedCount(32))
      unsafe Base64.append(share.span.bytes, to: &text)
      return unsafe Stanza(
        checked: [Self.typeName, text],
        body: KeySchedule.wrap(fileKey: fileKey, wrapKey: UnsafeRawBufferPointer(wrapKey).bytes))
    }
  }

  static let typeName = [UInt8]("X25519".utf8)

  /// Writes HKDF(X25519(scalar, point), salt = share || recipient, the type's label); false if `point` has low order.
  static func deriveWrapKey(
    scalar: RawSpan, point: RawSpan, share: RawSpan, recipient: RawSpan,
    into wrapKey: UnsafeMutableRawBufferPointer
  ) -> Bool {
    unsafe withWipedScratch(96) { scratch in
      let salt = unsafe scratch.part(0, 64)
      let secret = unsafe scratch.part(64, 32)
      unsafe salt.part(0, 32).copyMemory(from: share.pointer)
      unsafe salt.part(32, 32).copyMemory(from: recipient.pointer)
      do throws(SecretMemoryError) {
        try unsafe X25519.sharedSecret(scalar: scalar, point: point, into: secret)
      } catch {
        return false
      }
      unsafe HKDFSHA256.derive(
        from: UnsafeRawBufferPointer(secret).bytes, salt: UnsafeRawBufferPointer(salt).bytes,
        info: label.raw.bytes, into: wrapKey)
      return true
    }
  }

  /// Whether both are the same point.
  public static func == (left: X25519Recipient, right: X25519Recipient) -> Bool {
    unsafe ConstantTime.areEqual(left.point.span.bytes, right.point.span.bytes)
  }

  /// Hashes the point.
  public func hash(into hasher: inout Hasher) {
    unsafe withUnsafeBytes(of: point) { unsafe hasher.combine(bytes: $0) }
  }
}
