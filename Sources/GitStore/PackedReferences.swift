/// The file `packed-refs`: references that `git pack-refs` gathered.
struct PackedReferences {
  /// Bytes of the largest file that is read: some 600,000 references.
  private static let fileLimit = 64 << 20
  /// Values by full name.
  private(set) var values: [String: ObjectName] = [:]
  /// What an annotated tag leads to, by the tag's reference name.
  private var peeled: [String: ObjectName] = [:]

  init(reading root: Directory) throws(GitError) {
    guard let bytes = try root.read("packed-refs", limit: Self.fileLimit) else { return }
    var last: String?
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      if line.first == UInt8(ascii: "#") { continue }
      if line.first == UInt8(ascii: "^") {
        guard let last, let object = ObjectName(hex: line.dropFirst()) else { throw .malformedReference }
        peeled[last] = object
        continue
      }
      guard line.count > 41, let object = ObjectName(hex: line.prefix(40)),
        line[line.startIndex + 40] == UInt8(ascii: " ")
      else { throw .malformedReference }
      let name = String(decoding: line.dropFirst(41), as: UTF8.self)
      values[name] = object
      last = name
    }
  }

  mutating func remove(_ name: String) {
    values[name] = nil
    peeled[name] = nil
  }

  /// The file's bytes; no peeling is promised, so git looks at tags itself.
  var encoded: [UInt8] {
    var text = "# pack-refs with: sorted \n"
    for (name, object) in values.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      text += "\(object.hex) \(name)\n"
      if let target = peeled[name] { text += "^\(target.hex)\n" }
    }
    return Array(text.utf8)
  }
}
