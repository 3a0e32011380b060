package import SecretMemory

/// A Curve25519 key that decrypts: `AGE-SECRET-KEY-1…`.
///
/// Its scalar stays in locked memory; its public key is computed once.
public final class X25519Identity: Identity {
  static let prefix: StaticString = "AGE-SECRET-KEY-"

  private let scalar: SecretBytes

  /// Whoever encrypts to this recipient, this identity can decrypt.
  public let recipient: X25519Recipient

  private init(taking scalar: consuming SecretBytes) {
    let point = scalar.withBytes { X25519.publicKey(of: $0) }
    self.scalar = scalar
    recipient = X25519Recipient(point: point)
  }

  /// A new identity from the kernel's random generator.
  ///
  /// - Throws: ``AgeError/memoryUnavailable``.
  public convenience init() throws(AgeError) {
    do throws(SecretMemoryError) {
      self.init(taking: try SecretBytes(randomCount: X25519.byteCount))
    } catch {
      throw .memoryUnavailable
    }
  }

  /// The identity of 32 raw secret bytes; the caller wipes the original.
  ///
  /// - Throws: ``AgeError/malformedKey(_:)`` if they are not 32, ``AgeError/memoryUnavailable``.
  public convenience init(secret: RawSpan) throws(AgeError) {
    guard secret.byteCount == X25519.byteCount else { throw .malformedKey(.length) }
    do throws(SecretMemoryError) {
      self.init(taking: try SecretBytes(copying: secret))
    } catch {
      throw .memoryUnavailable
    }
  }

  /// The identity that the bytes of `encoded`, `AGE-SECRET-KEY-1…` without a line end, name.
  ///
  /// - Throws: ``AgeError/malformedKey(_:)``, ``AgeError/memoryUnavailable``.
  public convenience init(encoded: RawSpan) throws(AgeError) {
    let secret = try unsafe withWipedScratch(X25519.byteCount) { (scratch) throws(AgeError) in
      do throws(KeyFault) {
        try unsafe Bech32.decode(encoded.pointer, prefix: Self.prefix, into: scratch)
      } catch {
        throw .malformedKey(error)
      }
      do throws(SecretMemoryError) {
        return try unsafe SecretBytes(copying: UnsafeRawBufferPointer(scratch).bytes)
      } catch {
        throw .memoryUnavailable
      }
    }
    self.init(taking: secret)
  }

  /// Lends the 32 raw secret bytes to `body`.
  public func withSecret<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try scalar.withBytes(body)
  }

  /// The identity as the text of an identity file: `AGE-SECRET-KEY-1…`, without a line end.
  ///
  /// - Throws: ``AgeError/memoryUnavailable``.
  package func encoded() throws(AgeError) -> WipedBuffer {
    let text = try WipedBuffer.make(Bech32.encodedCount(prefix: Self.prefix))
    scalar.withBytes { secret in
      unsafe text.withUnsafeMutableBytes { unsafe Bech32.encode(secret, prefix: Self.prefix, into: $0) }
    }
    return text
  }

  /// Lends the identity as the text of an identity file, `AGE-SECRET-KEY-1…` without a line end, to `body`.
  ///
  /// - Throws: ``AgeError/memoryUnavailable``, or what `body` throws.
  public func withEncoded<R: ~Copyable>(_ body: (RawSpan) throws -> R) throws -> R {
    try encoded().withBytes(body)
  }

  /// Looks for an X25519 stanza addressed to this identity and unwraps its file key.
  ///
  /// - Parameters:
  ///   - stanzas: All of the header's stanzas; all of type X25519 are checked, even after a match.
  ///   - fileKey: 16 bytes of memory that the caller wipes.
  /// - Returns: Whether there was one; only then `fileKey` is defined.
  /// - Throws: ``AgeError/malformedHeader(_:)``.
  public func unwrap(_ stanzas: [Stanza], into fileKey: UnsafeMutableRawBufferPointer) throws(AgeError) -> Bool {
    var isFound = false
    for stanza in stanzas where stanza.isOf(type: "X25519") {
      var share = Bytes32(repeating: 0)
      // "MUST otherwise reject any stanza that has more or less than two arguments, or where the second argument is
      // not a canonical base64 encoding of a 32-byte value. It MUST check that the body length is exactly 32 bytes"
      guard stanza.arguments.count == 2, stanza.body.count == KeySchedule.wrappedKeyByteCount,
        unsafe withUnsafeMutableBytes(of: &share, { unsafe stanza.decodeArgument(1, into: $0) })
      else { throw .malformedHeader(.x25519Stanza) }
      if !isFound { isFound = try unsafe unwrap(stanza.body, share: share, into: fileKey) }
    }
    return isFound
  }

  private func unwrap(
    _ body: [UInt8], share: Bytes32, into fileKey: UnsafeMutableRawBufferPointer
  ) throws(AgeError) -> Bool {
    try unsafe withWipedScratch(32) { (wrapKey) throws(AgeError) in
      let isDerived = scalar.withBytes { secret in
        unsafe X25519Recipient.deriveWrapKey(
          scalar: secret, point: share.span.bytes, share: share.span.bytes, recipient: recipient.point.span.bytes,
          into: wrapKey)
      }
      // "If the shared secret is all 0x00 bytes, the identity implementation MUST abort."
      guard isDerived else { throw .malformedHeader(.lowOrderShare) }
      return unsafe KeySchedule.unwrap(body, wrapKey: UnsafeRawBufferPointer(wrapKey).bytes, into: fileKey)
    }
  }
}

extension WipedBuffer {
  /// A buffer of `count` bytes, with the error of this target.
  static func make(_ count: Int) throws(AgeError) -> WipedBuffer {
    do throws(SecretMemoryError) {
      return try WipedBuffer(uninitializedCount: count)
    } catch {
      throw .memoryUnavailable
    }
  }
}
