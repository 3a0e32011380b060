import SecretMemory
import TestSupport
import Testing

/// Known answers: they tie the layer to the standards, and so to every other implementation.
@Suite("Primitives") struct PrimitiveTests {
  let abc = [UInt8]("abc".utf8)
  let a = [UInt8]("a".utf8)
  let bc = [UInt8]("bc".utf8)

  @Test func `SHA-256 of abc, whole and in slices`() {
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(hex(unsafe SHA256.hash(abc.span.bytes).array) == expected)
    #expect(hex(unsafe SHA256.hash(a.span.bytes, bc.span.bytes).array) == expected)
    var hash = SHA256()
    unsafe hash.update(a.span.bytes)
    unsafe hash.update(bc.span.bytes)
    #expect(hex(hash.finalize().array) == expected)
  }

  @Test func `SHA-512 of abc, whole and in slices`() {
    let expected = """
      ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
      """
    #expect(hex(unsafe SHA512.hash(abc.span.bytes).array) == expected)
    #expect(hex(unsafe SHA512.hash(a.span.bytes, bc.span.bytes).array) == expected)
    var hash = SHA512()
    unsafe hash.update(a.span.bytes)
    unsafe hash.update(bc.span.bytes)
    #expect(hex(hash.finalize().array) == expected)
  }

  @Test(arguments: [0, 1, 63, 64, 65, 1000])
  func `the hashes agree with sha256sum and sha512sum`(count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let bytes = generator.bytes(count)
    #expect(
      try Program.check(["sha256sum"], input: bytes).text.hasPrefix(hex(unsafe SHA256.hash(bytes.span.bytes).array)))
    #expect(
      try Program.check(["sha512sum"], input: bytes).text.hasPrefix(hex(unsafe SHA512.hash(bytes.span.bytes).array)))
  }

  /// RFC 4231, test case 2, and a key longer than a block (test case 6).
  @Test func `HMAC-SHA-256`() {
    let key = [UInt8]("Jefe".utf8)
    let data = [UInt8]("what ".utf8)
    let more = [UInt8]("do ya want for nothing?".utf8)
    let code = unsafe filled(32) {
      unsafe HMACSHA256.authenticate(data.span.bytes, more.span.bytes, key: key.span.bytes, into: $0)
    }
    #expect(hex(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let longKey = [UInt8](repeating: 0xAA, count: 131)
    let text = [UInt8]("Test Using Larger Than Block-Size Key - Hash Key First".utf8)
    let second = unsafe filled(32) {
      unsafe HMACSHA256.authenticate(text.span.bytes, key: longKey.span.bytes, into: $0)
    }
    #expect(hex(second) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }

  /// RFC 5869, test cases 1 (42 bytes: more than a block) and 3 (no salt, no info).
  @Test func `HKDF-SHA-256`() {
    let inputKey = [UInt8](repeating: 0x0B, count: 22)
    let salt = hex("000102030405060708090a0b0c")
    let info = hex("f0f1f2f3f4f5f6f7f8f9")
    let output = unsafe filled(42) {
      unsafe HKDFSHA256.derive(from: inputKey.span.bytes, salt: salt.span.bytes, info: info.span.bytes, into: $0)
    }
    #expect(
      hex(output) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    let bare = unsafe filled(42) {
      unsafe HKDFSHA256.derive(from: inputKey.span.bytes, salt: RawSpan(), info: RawSpan(), into: $0)
    }
    #expect(hex(bare) == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
  }

  @Test func `HKDF gives its 8160 bytes`() {
    let long = unsafe filled(8160) {
      unsafe HKDFSHA256.derive(from: abc.span.bytes, salt: RawSpan(), info: RawSpan(), into: $0)
    }
    let short = unsafe filled(33) {
      unsafe HKDFSHA256.derive(from: abc.span.bytes, salt: RawSpan(), info: RawSpan(), into: $0)
    }
    #expect(Array(long.prefix(33)) == short)
  }

  @Test func `X25519 gives both sides the same secret`() throws {
    var generator = SeededGenerator(seed: 25519)
    let alice = generator.bytes(32)
    let bob = generator.bytes(32)
    let alicePublic = unsafe X25519.publicKey(of: alice.span.bytes)
    let bobPublic = unsafe X25519.publicKey(of: bob.span.bytes)
    let atAlice = try unsafe filled(32) { (output) throws(SecretMemoryError) in
      try unsafe X25519.sharedSecret(scalar: alice.span.bytes, point: bobPublic.span.bytes, into: output)
    }
    let atBob = try unsafe filled(32) { (output) throws(SecretMemoryError) in
      try unsafe X25519.sharedSecret(scalar: bob.span.bytes, point: alicePublic.span.bytes, into: output)
    }
    #expect(atAlice == atBob)
  }

  /// RFC 7748, section 5.2: one round of the iterated test.
  @Test func `X25519 of nine by nine`() throws {
    let nine = [9] + [UInt8](repeating: 0, count: 31)
    let result = try unsafe filled(32) { (output) throws(SecretMemoryError) in
      try unsafe X25519.sharedSecret(scalar: nine.span.bytes, point: nine.span.bytes, into: output)
    }
    #expect(hex(result) == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")
    #expect(unsafe X25519.publicKey(of: nine.span.bytes).array == result)
  }

  @Test(arguments: [UInt8(0), 1])
  func `X25519 of a low-order point is refused`(first: UInt8) {
    let point = [first] + [UInt8](repeating: 0, count: 31)
    let scalar = [UInt8](repeating: 5, count: 32)
    let error = #expect(throws: SecretMemoryError.self) {
      _ = try unsafe filled(32) { (output) throws(SecretMemoryError) in
        try unsafe X25519.sharedSecret(scalar: scalar.span.bytes, point: point.span.bytes, into: output)
      }
    }
    #expect(error == .lowOrderPoint)
  }

  /// RFC 8032, section 7.1, tests 1 and 2.
  @Test func `Ed25519 signs as in the standard`() throws {
    let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    let key = try unsafe Ed25519.SigningKey(seed: seed.span.bytes)
    #expect(hex(key.publicKey.array) == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    var signature = key.sign(RawSpan()).array
    #expect(
      hex(signature) == """
        e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
        5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
        """)
    #expect(key.withSeed { $0.array } == seed)
    let publicKey = key.publicKey.array
    #expect(unsafe Ed25519.verify(signature.span.bytes, of: RawSpan(), publicKey: publicKey.span.bytes))
    #expect(!(unsafe Ed25519.verify(signature.span.bytes, of: abc.span.bytes, publicKey: publicKey.span.bytes)))
    signature[40] ^= 1
    #expect(!(unsafe Ed25519.verify(signature.span.bytes, of: RawSpan(), publicKey: publicKey.span.bytes)))
    let isValid = Ed25519.verify(RawSpan(), of: RawSpan(), publicKey: RawSpan())
    #expect(!isValid)
  }

  /// RFC 7914, section 12, second vector.
  @Test func `scrypt derives as in the standard`() throws {
    let output = try unsafe filled(64) { (output) throws(SecretMemoryError) in
      try unsafe Scrypt.derive(
        passphrase: [UInt8]("password".utf8).span.bytes, salt: [UInt8]("NaCl".utf8).span.bytes, logN: 10, r: 8, p: 16,
        into: output)
    }
    #expect(
      hex(output) == """
        fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162\
        2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640
        """)
  }

  @Test func `equality is of all bytes and of lengths`() {
    #expect(unsafe ConstantTime.areEqual(abc.span.bytes, Array(abc).span.bytes))
    #expect(!(unsafe ConstantTime.areEqual(abc.span.bytes, bc.span.bytes)))
    #expect(!(unsafe ConstantTime.areEqual(abc.span.bytes, [UInt8]("abd".utf8).span.bytes)))
    let isEmptyEqual = ConstantTime.areEqual(RawSpan(), RawSpan())
    #expect(isEmptyEqual)
  }

  @Test func `random bytes differ`() {
    let first = unsafe filled(32) { unsafe Random.fill($0) }
    let second = unsafe filled(32) { unsafe Random.fill($0) }
    #expect(first != second)
  }
}

@Suite("ChaCha20-Poly1305") struct ChaCha20Poly1305Tests {
  let key = [UInt8](0..<32)
  let nonce = [UInt8](0..<12)

  private func seal(_ plain: [UInt8]) -> [UInt8] {
    unsafe filled(plain.count + 16) { output in
      unsafe plain.withUnsafeBytes {
        unsafe ChaCha20Poly1305.seal($0, into: output, key: key.span.bytes, nonce: nonce.span.bytes)
      }
    }
  }

  private func open(_ sealed: [UInt8]) -> [UInt8]? {
    var isOpen = false
    let plain = unsafe filled(sealed.count - 16) { output in
      isOpen = unsafe sealed.withUnsafeBytes {
        unsafe ChaCha20Poly1305.open($0, into: output, key: key.span.bytes, nonce: nonce.span.bytes)
      }
    }
    return isOpen ? plain : nil
  }

  @Test(arguments: [0, 1, 63, 64, 65, 1000, 65_536])
  func `what is sealed can be opened, and in place the same`(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    let plain = generator.bytes(count)
    let sealed = seal(plain)
    #expect(open(sealed) == plain)
    var buffer = plain + [UInt8](repeating: 0, count: 16)
    unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe ChaCha20Poly1305.seal(
        UnsafeRawBufferPointer(bytes.part(0, count)), into: bytes, key: key.span.bytes, nonce: nonce.span.bytes)
    }
    #expect(buffer == sealed)
    let isOpen = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe ChaCha20Poly1305.open(
        UnsafeRawBufferPointer(bytes), into: bytes.part(0, count), key: key.span.bytes, nonce: nonce.span.bytes)
    }
    #expect(isOpen)
    #expect(Array(buffer.prefix(count)) == plain)
  }

  @Test func `any flipped bit is noticed`() {
    let sealed = seal([1, 2, 3])
    for index in sealed.indices {
      for bit in 0..<8 {
        var changed = sealed
        changed[index] ^= 1 << bit
        #expect(open(changed) == nil)
      }
    }
  }
}
