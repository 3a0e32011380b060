/// A title line, then lines of a word, a space and a value.
struct Fields {
  /// Empty where a word comes twice, of which readers might take different ones.
  private(set) var title: Substring
  private var values: [Substring: Substring] = [:]

  init(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    title = lines.first ?? ""
    for line in lines.dropFirst() {
      guard let space = line.firstIndex(of: " ") else { continue }
      let value = line[line.index(after: space)...]
      if values.updateValue(value, forKey: line[..<space]) != nil { title = "" }
    }
  }

  subscript(word: String) -> Substring? { values[word[...]] }
}
