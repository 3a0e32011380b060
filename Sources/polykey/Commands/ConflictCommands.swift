import ArgumentParser
import GitStore
import Vault
import VirtualFS

/// `polykey conflicts`.
struct ListConflicts: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conflicts", abstract: "List what lost against a concurrent change, and decide what is to hold.",
    discussion: """
      Where members changed a secret at the same time, one value is shown at its place and each other one in .conflicts/. --take makes one of \
      these the value, in one version; --keep holds on to the value that is shown, and drops the others. What is replaced or dropped stays in \
      the history. PATH is what the list shows, or the secret's own path.

      Examples:
        polykey conflicts prod
        polykey conflicts prod --take .conflicts/db/password~1f2e3d4c
        polykey conflicts prod --keep db/password
      """)

  @OptionGroup var chosen: VaultOptions
  @Option(help: ArgumentHelp("Make this the value at its place.", valueName: "path")) var take: PathArgument?
  @Option(help: ArgumentHelp("Drop this; of a secret's own path all that lost.", valueName: "path")) var keep:
    PathArgument?
  @Flag(help: "Print one JSON object a line.") var json = false

  func validate() throws {
    if take != nil, keep != nil { throw ValidationError("Give --take or --keep, not both.") }
  }

  func run() throws {
    let name = try explained { try chosen.name() }
    let local = try LocalFileSystem(name, of: try chosen.identity.keynode())
    let conflicts = try explained { try local.conflicts() }
    if let path = take ?? keep {
      try explained(path.text) {
        let found = try find(path, among: conflicts)
        if take != nil { try accept(found, named: path.text, in: local) } else { try drop(found, in: local) }
        try local.finish()
      }
    } else {
      try explained { try list(conflicts, local.vault) }
    }
  }

  private func list(_ conflicts: [Conflict], _ vault: Vault) throws {
    let people = conflicts.isEmpty ? [:] : try vault.people()?.persons ?? [:]
    for conflict in conflicts {
      let label = conflict.version.flatMap { people[$0.node]?.label }
      if json {
        Console.print(
          JSON.object([
            ("path", .text(conflict.path)), ("place", .text(conflict.place)),
            ("version", conflict.version.map { .string($0.commit.hex) } ?? .null),
            ("time", conflict.version.map { .string(Dates.iso($0.time)) } ?? .null),
            ("node", conflict.version.map { .string($0.node.text) } ?? .null),
            ("label", label.map { .string($0) } ?? .null),
          ]))
      } else {
        let origin = conflict.version.map { "  \(Dates.local($0.time))  \($0.node.named(label))" } ?? ""
        Console.print(path: conflict.path, origin)
      }
    }
  }

  /// What is shown at `path`, or lost that path.
  private func find(_ path: PathArgument, among conflicts: [Conflict]) throws -> [Conflict] {
    let vault = [UInt8]("\(chosen.vault):".utf8)
    let bytes = path.bytes.starts(with: vault) ? Array(path.bytes.dropFirst(vault.count)) : path.bytes
    let objects = Set(conflicts.filter { $0.path == bytes }.map(\.object))
    let found = conflicts.filter { objects.isEmpty ? $0.place == bytes : objects.contains($0.object) }
    guard !found.isEmpty else {
      throw Failure(.missing, "\(path.text): no such conflict: see `polykey conflicts \(chosen.vault)`")
    }
    return found
  }

  private func accept(_ conflicts: [Conflict], named path: String, in local: LocalFileSystem) throws {
    guard Set(conflicts.map(\.object)).count == 1 else {
      throw Failure(
        .usage, "\(path): more than one value lost it: name one of those in `polykey conflicts \(chosen.vault)`")
    }
    for conflict in conflicts {
      let (from, to) = (try names(conflict.path), try names(conflict.place))
      guard let name = from.last, let newName = to.last else { continue }
      if try local.findIfAny(to)?.kind == .directory {
        throw Failure(.exists, "\(path): its place is a directory now: move it with `polykey mv`")
      }
      let parent = try local.find(from.dropLast()).inode
      try local.rename(name, in: parent, to: newName, in: try local.makeDirectories(to.dropLast()).inode)
    }
  }

  private func drop(_ conflicts: [Conflict], in local: LocalFileSystem) throws {
    for conflict in conflicts {
      let path = try names(conflict.path)
      guard let name = path.last else { continue }
      try local.remove(name, in: try local.find(path.dropLast()).inode)
    }
  }

  private func names(_ path: [UInt8]) throws -> [Name] { try path.split(separator: 0x2F).map { try Name($0) } }
}
