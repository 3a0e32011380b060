internal import GitStore
internal import SecretMemory

/// What members tell each other of themselves, encrypted to all who may read: labels, and where their mounts listen.
///
/// Source: docs/format.md, "Members".
package struct People: Hashable, Sendable {
  package struct Person: Hashable, Sendable {
    /// For people's eyes; one line.
    package var label: String?
    /// `HOST:PORT`, in the order to try them.
    package var addresses: [String] = []

    package init(label: String? = nil, addresses: [String] = []) {
      self.label = label
      self.addresses = addresses
    }
  }

  package var persons: [NodeID: Person]

  package init(_ persons: [NodeID: Person] = [:]) { self.persons = persons }

  /// Bytes of a label, and of an address, at most.
  package static let textLimit = 256

  /// Lines `NODE-ID label TEXT` and `NODE-ID address HOST:PORT`, in order of nodes.
  var encoded: [UInt8] {
    var text = ""
    for (node, person) in persons.sorted(by: { $0.key < $1.key }) {
      if let label = person.label { text += "\(node) label \(People.line(label))\n" }
      for address in person.addresses { text += "\(node) address \(People.line(address))\n" }
    }
    return [UInt8](text.utf8)
  }

  /// Reads the list; lines that are not known are ignored.
  init(_ text: String) {
    persons = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 2)
      guard words.count == 3, let node = NodeID(words[0]), words[2].utf8.count <= People.textLimit else { continue }
      switch words[1] {
      case "label": persons[node, default: Person()].label = People.line(String(words[2]))
      case "address": persons[node, default: Person()].addresses.append(People.line(String(words[2])))
      default: continue
      }
    }
  }

  /// One line of at most ``textLimit`` bytes without control characters, nor any that turn the direction of text, as another's label ends on a
  /// terminal.
  package static func line(_ text: String) -> String {
    var line = String(
      String.UnicodeScalarView(
        text.unicodeScalars.filter {
          switch $0.properties.generalCategory {
          case .control, .lineSeparator, .paragraphSeparator: false
          default: !$0.properties.isBidiControl
          }
        }))
    while line.utf8.count > textLimit { line.removeLast() }
    return line
  }

  /// The people of a vault's state; nil if this node may not read them.
  init?(of membership: Membership, opening files: KeyFiles, in source: some ObjectSource) throws(VaultError) {
    guard let plain = try files.open(membership.people, in: source) else { return nil }
    self.init(unsafe plain.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) })
  }
}
