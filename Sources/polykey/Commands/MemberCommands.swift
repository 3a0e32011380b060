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
      let membership = vault.membership
      if vault.role == nil { Console.tell(Removal.sentence(vault.name)) }
      for (node, member) in membership.members.sorted(by: { $0.key < $1.key }) {
        show(node, member.role.rawValue, people[node], progress[node], isSelf: node == vault.identity.node)
      }
      for node in membership.removed.keys.sorted() where membership.members[node] == nil {
        show(node, "removed", people[node], progress[node], isSelf: node == vault.identity.node)
      }
    }
  }

  private func show(_ node: NodeID, _ role: String, _ person: People.Person?, _ progress: MemberProgress?, isSelf: Bool)
  {
    if json {
      Console.print(
        JSON.object([
          ("node", .string(node.text)), ("role", .string(role)), ("label", person?.label.map { .string($0) } ?? .null),
          ("addresses", .list((person?.addresses ?? []).map { .string($0) })),
          ("lastWritten", progress?.time.map { .string(Dates.iso($0)) } ?? .null),
          ("behind", progress.map { .number(Int64($0.behind)) } ?? .null), ("self", .flag(isSelf)),
        ]))
      return
    }
    var text = "\(node.short)  \(role.padding(8))"
    if let label = person?.label { text += "  \(label)" }
    if isSelf { text += "  (this node)" }
    if let time = progress?.time { text += "  last wrote \(Dates.local(time))" }
    Console.print(text)
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

      Example: polykey remove-member prod bob
      """)

  @OptionGroup var chosen: MemberOptions

  func run() throws {
    try explained {
      let (vault, node) = try chosen.find()
      try vault.remove(node)
      Console.tell("\(node.short) is removed. It could read these; change them where they are valid:")
      for path in try Exposure.paths(to: node, in: vault) { Console.print(path: path) }
    }
  }
}

/// `polykey exposed`.
struct ListExposed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exposed",
    abstract: "List the secrets that removed members could read and that were not changed since.",
    discussion: "Exits 0 when the list is empty, else 11.\n\nExample: polykey exposed prod")

  @OptionGroup var chosen: VaultOptions
  @Flag(help: "Print one JSON object a line.") var json = false

  func run() throws {
    try explained {
      let vault = try chosen.open()
      let people = try vault.people()?.persons ?? [:]
      var count = 0
      for node in vault.membership.removed.keys.sorted() where vault.membership.members[node]?.role.mayRead != true {
        for path in try Exposure.paths(to: node, in: vault) {
          count += 1
          if json {
            Console.print(
              JSON.object([
                ("path", .text(path)), ("node", .string(node.text)),
                ("label", people[node]?.label.map { .string($0) } ?? .null),
              ]))
          } else {
            Console.print(path: path, "  (\(people[node]?.label ?? node.short))")
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
