internal import CLibGit2

/// The bytes of a loose object's file: a zlib stream, which we write as a ``StoredStream``.
///
/// Not compressed, since most of what we write is encrypted and compressing the rest costs more than half a commit's time;
/// consolidating compresses it. Every git reads this form.
enum LooseFormat {
  /// Bytes of the largest file that is read: more than any object that the format knows, and a claim that memory can bear.
  static let fileLimit = 256 << 20

  /// The file's bytes for an object.
  static func encode(_ kind: ObjectKind, _ bytes: [UInt8]) -> [UInt8] {
    var file: [UInt8] = []
    StoredStream.append(bytes, after: Array("\(kind.word) \(bytes.count)\0".utf8), to: &file)
    return file
  }

  /// The kind and size that a loose object's header tells, and the header's length; nil if the file does not begin as one.
  static func header(of file: [UInt8]) -> (kind: ObjectKind, size: Int, length: Int)? {
    let (start, _) = inflate(file, limit: 40)
    guard let end = start.firstIndex(of: 0), let space = start[..<end].firstIndex(of: UInt8(ascii: " ")),
      let kind = ObjectKind.allCases.first(where: { $0.word.utf8.elementsEqual(start[..<space]) }),
      let size = Int(String(decoding: start[(space + 1)..<end], as: UTF8.self)), size >= 0
    else { return nil }
    return (kind, size, end + 1)
  }

  /// The object in a loose object's file, compressed or not; nil if it is damaged (the caller checks the name).
  static func decode(_ file: [UInt8]) -> (kind: ObjectKind, bytes: [UInt8])? {
    // Deflate shrinks at most 1,032 times, so a larger claim is false and gets no memory.
    guard let header = header(of: file), header.size / 1032 <= file.count else { return nil }
    if let bytes = StoredStream.content(of: file, from: header.length, count: header.size) {
      return (header.kind, bytes)
    }
    let total = header.length + header.size
    let (bytes, isWhole) = inflate(file, limit: total)
    guard isWhole, bytes.count == total else { return nil }
    return (header.kind, Array(bytes[header.length...]))
  }

  private static func inflate(_ file: [UInt8], limit: Int) -> (bytes: [UInt8], isWhole: Bool) {
    var isWhole = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { output, count in
      // SAFETY: both buffers outlive the call, which writes at most `limit` bytes and tells how many.
      isWhole = unsafe file.withUnsafeBufferPointer { input in
        unsafe clibgit2_inflate(input.baseAddress, input.count, output.baseAddress, limit, &count) == 1
      }
    }
    return (bytes, isWhole)
  }
}
