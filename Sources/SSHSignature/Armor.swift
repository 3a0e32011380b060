/// The text around a key or signature: a line that begins it, base 64, and a line that ends it.
struct Armor {
  let begin: String
  let end: String
  /// Characters of a line as OpenSSH writes it.
  static let lineLength = 70
  /// Characters of the longest line that is read: PROTOCOL.sshsig speaks of 76.
  static let longestLine = 76

  static let signature = Armor(
    begin: "-----BEGIN SSH SIGNATURE-----\n", end: "-----END SSH SIGNATURE-----\n")
  static let privateKey = Armor(
    begin: "-----BEGIN OPENSSH PRIVATE KEY-----\n", end: "-----END OPENSSH PRIVATE KEY-----\n")

  /// Bytes of the text that holds `byteCount` bytes.
  func encodedCount(_ byteCount: Int) -> Int {
    let characters = Base64.encodedCount(byteCount)
    let lines = (characters + Armor.lineLength - 1) / Armor.lineLength
    return begin.utf8.count + characters + lines + end.utf8.count
  }

  /// Appends the text that holds `bytes`.
  func encode(_ bytes: Span<UInt8>, to output: inout OutputSpan<UInt8>) {
    output.append(begin.utf8)
    Base64.encode(bytes, lineLength: Armor.lineLength, to: &output)
    output.append(end.utf8)
  }

  /// The base 64 lines of `text` with the newline after them, or nil if the text breaks the form.
  ///
  /// Nothing may stand before or after; the last newline may be missing, as git takes it away. All lines but the last
  /// are of one length.
  func content(of text: Span<UInt8>) -> Range<Int>? {
    let endCount = end.utf8.count
    var count = text.count
    if count > 0, text[count - 1] == UInt8(ascii: "\n") { count -= 1 }
    let first = begin.utf8.count
    let last = count - (endCount - 1)
    guard last > first, text.holds(begin.utf8, in: 0..<first), text.holds(end.utf8.dropLast(), in: last..<count),
      text[last - 1] == UInt8(ascii: "\n")
    else { return nil }
    var lineLength: Int?
    var lineStart = first
    for index in first..<last where text[index] == UInt8(ascii: "\n") {
      let length = index - lineStart
      guard length > 0, length <= lineLength ?? Armor.longestLine else { return nil }
      if lineLength == nil { lineLength = length }
      guard length == lineLength || index == last - 1 else { return nil }
      lineStart = index + 1
    }
    return first..<last
  }
}
