/// HKDF-SHA-256 (RFC 5869), built on HMAC: libsodium 1.0.18 has none.
package enum HKDFSHA256 {
  /// Writes the pseudorandom key, 32 bytes, of `inputKey`.
  package static func extract(
    inputKey: RawSpan, salt: RawSpan, into pseudorandomKey: UnsafeMutableRawBufferPointer
  ) {
    unsafe HMACSHA256.authenticate(inputKey, key: salt, into: pseudorandomKey)
  }

  /// Fills `output`, 1...8160 bytes, with key material for `info`.
  package static func expand(
    pseudorandomKey: RawSpan, info: RawSpan, into output: UnsafeMutableRawBufferPointer
  ) {
    precondition(1...(255 * 32) ~= output.count, "HKDF-SHA-256 gives 1 to 8160 bytes")
    unsafe withWipedScratch(32) { block in
      var offset = 0
      var counter: UInt8 = 1
      while offset < output.count {
        var code = HMACSHA256(key: pseudorandomKey)
        if offset > 0 { unsafe code.update(UnsafeRawBufferPointer(block).bytes) }
        code.update(info)
        unsafe withUnsafeBytes(of: counter) { unsafe code.update($0.bytes) }
        unsafe code.finalize(into: block)
        let count = min(32, output.count - offset)
        unsafe output.part(offset, count).copyMemory(from: UnsafeRawBufferPointer(block).part(0, count))
        offset += count
        // The last of 255 blocks leaves nothing that would use the wrapped counter.
        counter &+= 1
      }
    }
  }

  /// Fills `output`, 1...8160 bytes: extract, then expand.
  package static func derive(
    from inputKey: RawSpan, salt: RawSpan, info: RawSpan, into output: UnsafeMutableRawBufferPointer
  ) {
    unsafe withWipedScratch(32) { pseudorandomKey in
      unsafe extract(inputKey: inputKey, salt: salt, into: pseudorandomKey)
      unsafe expand(pseudorandomKey: UnsafeRawBufferPointer(pseudorandomKey).bytes, info: info, into: output)
    }
  }
}
