/// A title line, then lines of a word, a space and a value.
struct Fields {
  let title: Substring
  private var values: [Substring: Substring] = [:]

  init(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    title = lines.first ?? ""
    for line in lines.dropFirst() {
      guard let space = line.firstIndex(of: " ") else { continue }
      values[line[..<space]] = line[line.index(after: space)...]
    }
  }

  subscript(word: String) -> Substring? { values[word[...]] }
}
