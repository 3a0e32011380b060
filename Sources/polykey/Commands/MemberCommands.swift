import ArgumentParser
import Glibc
import PeerSync
import Vault

/// A member as a person names it: a node id, the beginning of one (4 characters or more), or a label.
struct MemberName: ExpressibleByArgument {
  let text: String

  init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    text = argument
  }

  /// The one member that goes by the name.
  func find(in vault: Vault) throws -> NodeID {
    let members = vault.membership.members.keys
    if let node = NodeID(text), members.contains(node) { return node }
    let people = try vault.people()?.persons ?? [:]
    var found = members.filter { people[$0]?.label == text }
    if found.isEmpty, text.utf8.count >= 4 { found = members.filter { $0.text.hasPrefix(text) } }
    guard let node = found.first else { throw VaultError.memberMissing }
    guard found.count == 1 else { throw VaultError.memberAmbiguous }
    return node
  }
}

extension Role: ExpressibleByArgument {}

/// `polykey members`.
struct ListMembers: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "members", abstract: "List who may do what in a vault, and how far each is.",
    discussion: "Example: polykey members prod --json")

  @OptionGroup var chosen: VaultOptions
  @Flag(help: "Print one JSON object a line.") var json = false

  func run() throws {
    try explained {
      let vault = try chosen.open()
      let people = try vault.people()?.persons ?? [:]
      let progress = try vault.progress()
      let heard = try vault.lastHeard()
      let now = Int64(time(nil))
      let membership = vault.membership
      if vault.role == nil { Console.tell(Removal.sentence(vault.name)) }
      for (node, member) in membership.members.sorted(by: { $0.key < $1.key }) {
        let isSelf = node == vault.identity.node
        var line = Line(
          node: node, role: member.role.rawValue, person: people[node], progress: progress[node], isSelf: isSelf)
        line.heard = heard[node]
        line.isStale = !isSelf && Vault.isStale(heard[node], at: now)
        show(line)
      }
      for node in membership.removed.keys.sorted() where membership.members[node] == nil {
        show(
          Line(
            node: node, role: "removed", person: people[node], progress: progress[node],
            isSelf: node == vault.identity.node))
      }
    }
  }

  /// What is shown of one node.
  private struct Line {
    let node: NodeID
    let role: String
    let person: People.Person?
    let progress: MemberProgress?
    let isSelf: Bool
    /// When it was last heard of, in seconds since 1970 as it says itself; nil if never.
    var heard: Int64?
    /// Whether that is long ago.
    var isStale = false
  }

  private func show(_ line: Line) {
    if json {
      Console.print(
        JSON.object([
          ("node", .string(line.node.text)), ("role", .string(line.role)),
          ("label", line.person?.label.map { .string($0) } ?? .null),
          ("addresses", .list((line.person?.addresses ?? []).map { .string($0) })),
          ("lastWritten", line.progress?.time.map { .string(Dates.iso($0)) } ?? .null),
          ("behind", line.progress.map { .number(Int64($0.behind)) } ?? .null), ("self", .flag(line.isSelf)),
          ("lastHeard", line.heard.map { .string(Dates.iso($0)) } ?? .null), ("stale", .flag(line.isStale)),
        ]))
      return
    }
    var text = "\(line.node.long)  \(line.role.padding(8))"
    if let label = line.person?.label { text += "  \(label)" }
    if line.isSelf { text += "  (this node)" }
    if let time = line.progress?.time { text += "  last wrote \(Dates.local(time))" }
    if line.isStale {
      text += line.heard.map { "  stale since \(Dates.local($0))" } ?? "  never heard of"
    }
    Console.print(text)
  }
}

extension NodeID {
  /// Characters that nobody finds a second key to, for where a member is to be told from others.
  var long: String { String(text.prefix(16)) }

  /// The first 8 characters, and the label that the members gave.
  func named(_ label: String?) -> String {
    // Columns are two spaces apart.
    label.map { "\(short) (\($0.split(separator: " ").joined(separator: " ")))" } ?? short
  }
}

extension String {
  /// With spaces up to `width` characters.
  func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

/// `polykey role`.
struct SetRole: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "role", abstract: "Change what a member may do.",
    discussion:
      "Roles: owner (members and keys), writer, reader, replica (holds no key).\n\nExample: polykey role prod bob reader"
  )

  @OptionGroup var chosen: MemberOptions
  @Argument(help: "owner, writer, reader or replica.") var role: Role

  func run() throws {
    try explained {
      let (vault, node) = try chosen.find()
      try vault.setRole(of: node, to: role)
    }
  }
}

/// `polykey remove-member`.
struct RemoveMember: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove-member",
    abstract: "Take a member's access back, and list the secrets that it could read.",
    discussion: """
      It can read nothing that is written afterwards, and what it writes counts nowhere. What it could read stays readable to it: change \
      those secrets where they are valid. `polykey exposed` lists them until each is changed.

      All that was accepted from it so far counts, unless --before names a version (see `polykey log`): then its versions from that one on \
      count no more, except those that other members have built upon already.

      Example: polykey remove-member prod bob
      """)

  @OptionGroup var chosen: MemberOptions
  @Option(help: ArgumentHelp("Let only those of its versions count that are before this one.", valueName: "version"))
  var before: String?

  func run() throws {
    try explained {
      let (vault, node) = try chosen.find()
      let label = try vault.people()?.persons[node]?.label
      try vault.remove(node, before: try before.map { try vault.version(namedInBranches: $0) })
      if before != nil {
        for builder in try vault.members(buildingOnCutVersionsOf: node) {
          Console.tell("\(builder.long) has built upon a version that was to be cut off, which counts with its own.")
        }
      }
      // Removed it is, whether or not the vault's data can be read.
      Console.tell("\(label.map { "\($0), " } ?? "")\(node.long) is removed.")
      let paths = try Exposure.paths(to: node, in: vault)
      Console.tell("It could read these; change them where they are valid:")
      for path in paths { Console.print(path: path) }
    }
  }
}

/// `polykey exposed`.
struct ListExposed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exposed",
    abstract: "List the secrets that removed members could read and that were not changed since.",
    discussion:
      "Also those that a member wrote later, under a key that the removed one has, as it had not heard of the removal.\n\nExits 0 when the list is empty, else 11.\n\nExample: polykey exposed prod"
  )

  @OptionGroup var chosen: VaultOptions
  @Flag(help: "Print one JSON object a line.") var json = false

  func run() throws {
    try explained {
      let vault = try chosen.open()
      let people = try vault.people()?.persons ?? [:]
      var count = 0
      for node in vault.formerReaders() {
        for path in try Exposure.paths(to: node, in: vault) {
          count += 1
          if json {
            Console.print(
              JSON.object([
                ("path", .text(path)), ("node", .string(node.text)),
                ("label", people[node]?.label.map { .string($0) } ?? .null),
              ]))
          } else {
            Console.print(path: path, "  (\(node.named(people[node]?.label)))")
          }
        }
      }
      if count > 0 { throw ExitCode(Failure.Status.remaining.rawValue) }
    }
  }
}

/// What a removed member could read.
enum Exposure {
  static func paths(to node: NodeID, in vault: Vault) throws -> [[UInt8]] {
    Array(Set(try vault.exposed(to: node))).sorted { $0.lexicographicallyPrecedes($1) }
  }
}

/// `polykey rotate`.
struct Rotate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Begin a new generation of a vault's key, for what is written from now on.",
    discussion: "Example: polykey rotate prod --re-encrypt")

  @OptionGroup var chosen: VaultOptions
  @Flag(help: "Also encrypt every current secret under the new key, as one version.") var reEncrypt = false

  func run() throws {
    try explained {
      let vault = try chosen.open()
      try vault.rotate()
      if reEncrypt { try vault.reencryptAll() }
      try vault.finish()
    }
  }
}
