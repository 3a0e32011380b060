internal import SecretMemory

/// An identity's 32 bytes as 24 words: BIP39, English, 256 bits of entropy and 8 of checksum.
package enum RecoveryPhrase {
  /// Words in a phrase.
  package static let wordCount = 24

  /// The longest phrase in bytes: 24 words of at most 8 letters and a space between.
  package static let limit = 24 * 9

  /// The phrase, its words parted by spaces.
  package static func encode(_ identity: Identity) throws(VaultError) -> SecretText {
    try identity.withSecret { secret throws(VaultError) in
      let checksum = Digest.sha256(secret)[0]
      return try unsafe SecretText(limit: limit) { output in
        var count = 0
        for position in 0..<wordCount {
          var number = 0
          for bit in (position * 11)..<(position * 11 + 11) {
            let byte = bit < 256 ? secret.byte(at: bit / 8) : checksum
            number = number << 1 | Int(byte >> UInt8(7 - bit % 8) & 1)
          }
          if position > 0 {
            unsafe output[count] = 0x20
            count += 1
          }
          for letter in WordList.words[number] {
            unsafe output[count] = letter
            count += 1
          }
        }
        return count
      }
    }
  }

  /// The identity that a phrase stands for; case and the kind of white space do not matter.
  ///
  /// - Throws: ``VaultError/phraseMalformed``.
  package static func decode(_ text: SecretText) throws(VaultError) -> Identity {
    let bits: WipedBuffer
    do { bits = try WipedBuffer(uninitializedCount: 33) } catch { throw .memoryUnavailable }
    var words = 0
    let isWellFormed = unsafe text.withUnsafeBytes { bytes in
      unsafe bits.withUnsafeMutableBytes { output in
        for index in output.indices { unsafe output[index] = 0 }
        var start = 0
        while start < bytes.count {
          if unsafe isSpace(bytes[start]) {
            start += 1
            continue
          }
          var end = start
          while end < bytes.count, unsafe !isSpace(bytes[end]) { end += 1 }
          guard words < wordCount, let number = unsafe number(of: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
          else { return false }
          for bit in 0..<11 where number >> (10 - bit) & 1 == 1 {
            let position = words * 11 + bit
            unsafe output[position / 8] |= 0x80 >> UInt8(position % 8)
          }
          words += 1
          start = end
        }
        return words == wordCount
      }
    }
    guard isWellFormed else { throw .phraseMalformed }
    do {
      let secret = unsafe try SecretBytes(count: 32) { target in
        unsafe bits.withUnsafeBytes { unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<32])) }
      }
      let checksum = secret.withBytes { Digest.sha256($0)[0] }
      guard unsafe bits.withUnsafeBytes({ unsafe $0[32] }) == checksum else { throw VaultError.phraseMalformed }
      return try Identity(secret: secret)
    } catch let error as VaultError {
      throw error
    } catch {
      throw .memoryUnavailable
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }

  /// The number of a word, found by bisection.
  private static func number(of word: UnsafeRawBufferPointer) -> Int? {
    var low = 0
    var high = WordList.words.count
    while low < high {
      let middle = (low + high) / 2
      let candidate = WordList.words[middle]
      let lowered = unsafe word.lazy.map { 0x41...0x5A ~= $0 ? $0 + 0x20 : $0 }
      if unsafe lowered.elementsEqual(candidate) { return middle }
      if unsafe candidate.lexicographicallyPrecedes(lowered) { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}
