import ArgumentParser
import GitStore
import Vault
import VirtualFS

/// `polykey log`.
struct LogVersions: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log", abstract: "List the versions of a vault or of one secret, newest first, across renames.",
    discussion: "Example: polykey log prod:db/password")

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT or VAULT:PATH") var scope: Scope
  @Option(name: [.customShort("n"), .long], help: "Stop after this many versions.") var limit: Int = .max
  @Flag(help: "Print one JSON object a line.") var json = false

  func run() throws {
    guard limit > 0 else { return }
    try explained(scope.secret?.text ?? "") {
      let vault = try identity.keynode().openVault(scope.vault)
      let history = VersionHistory(of: vault)
      let people = try vault.people()?.persons ?? [:]
      func show(_ version: Version, _ changes: [ObjectChange]) {
        self.show(version, changes, people[version.node]?.label)
      }
      var count = 0
      if let secret = scope.secret {
        try history.walk(path: secret.path) { version throws(VaultError) in
          show(version.version, [version.change])
          count += 1
          return count < limit
        }
        if count == 0 { throw Failure(.missing, "\(secret.text): no version has a secret of that path") }
      } else {
        try history.walk { version, changes throws(VaultError) in
          show(version, changes)
          count += 1
          return count < limit
        }
      }
    }
  }

  private func show(_ version: Version, _ changes: [ObjectChange], _ label: String?) {
    if json {
      Console.print(
        JSON.object([
          ("version", .string(version.commit.hex)), ("time", .string(Dates.iso(version.time))),
          ("node", .string(version.node.text)), ("label", label.map { .string($0) } ?? .null),
          ("clock", .number(Int64(clamping: version.clock))),
          ("changes", .list(changes.map { .text([UInt8]("\($0.letter) ".utf8) + $0.bytes) })),
        ]))
    } else {
      let author = version.node.named(label)
      let head = "\(version.commit.hex.prefix(12))  \(Dates.local(version.time))  \(author)"
      for change in changes { Console.print([.text("\(head)  \(change.letter) ")] + change.pieces) }
      if changes.isEmpty { Console.print(head) }
    }
  }
}

/// `polykey show`.
struct ShowVersion: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Print a secret as it was in a version.",
    discussion: """
      VERSION is a version of `polykey log`, or its first digits (4 at least), or ~N for N versions of the secret back. An @ before anything \
      else belongs to the path.

      Example: polykey show prod:db/password@~1
      """)

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH@VERSION") var secret: VersionedAddress

  func run() throws {
    try explained(secret.address.text) {
      let history = VersionHistory(of: try identity.keynode().openVault(secret.address.vault))
      let node = try history.node(at: secret.address.path, version: try secret.version)
      guard case .regular = node.body else {
        throw Failure(.failed, "\(secret.address.text): it was not a regular file in that version")
      }
      // What cannot be written is told at the end.
      unsafe try history.content(of: node) { bytes throws(VaultError) in _ = unsafe Console.write(bytes, to: 1) }
    }
  }
}

/// `polykey diff`.
struct DiffVersions: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Compare two versions of a vault (which paths differ) or of a secret (which lines).",
    discussion: """
      A VERSION may have an @ before it, which keeps the shell from taking ~1 for a directory.

      Example: polykey diff prod:app.conf @~1 @~0
      """)

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT or VAULT:PATH") var scope: Scope
  @Argument(help: "The older VERSION.") var old: String
  @Argument(help: "The newer VERSION.") var new: String
  @Flag(help: "Of a vault, print one JSON object a line.") var json = false

  func run() throws {
    let (old, new) = (DiffVersions.name(old), DiffVersions.name(new))
    try explained(scope.secret?.text ?? "") {
      let history = VersionHistory(of: try identity.keynode().openVault(scope.vault))
      guard let secret = scope.secret else {
        let changes = try history.differences(
          from: try history.version(named: old), to: try history.version(named: new))
        for change in changes {
          if json {
            Console.print(
              JSON.object([("change", .string(change.letter)), ("path", change.path.map { .text($0) } ?? .null)]))
          } else {
            Console.print([.text("\(change.letter) ")] + change.pieces)
          }
        }
        return
      }
      try TextDifference.show(
        old: try text(history, secret.path, old), new: try text(history, secret.path, new), labels: (old, new))
    }
  }

  private static func name(_ version: String) -> String {
    version.hasPrefix("@") ? String(version.dropFirst()) : version
  }

  private func text(_ history: VersionHistory, _ path: [UInt8], _ version: String) throws -> Block {
    let node = try history.node(at: path, version: version)
    guard case .regular(let content) = node.body, content.size <= Int64(FileContent.partSize) else {
      throw Failure(.failed, "only regular files of at most 1 MiB are compared line by line")
    }
    var block = unsafe Block(count: 0) { _ in }
    unsafe try history.content(of: node) { bytes throws(VaultError) in
      block = unsafe Block(count: bytes.count) { unsafe $0.copyMemory(from: bytes) }
    }
    return block
  }
}

/// `polykey restore`.
struct RestoreVersion: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Make an earlier version of a secret the newest one; nothing of the history is lost.",
    discussion: "A directory is restored only if nothing was in it.\n\nExample: polykey restore prod:db/password@~1")

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH@VERSION") var secret: VersionedAddress

  func run() throws {
    let address = secret.address
    try explained(address.text) {
      let local = try LocalFileSystem(address.vault, of: try identity.keynode())
      let history = VersionHistory(of: local.vault)
      let node = try history.node(at: address.path, version: try secret.version)
      if case .directory = node.body, try history.hasEntries(below: address.path, version: try secret.version) {
        throw Failure(
          .failed, "\(address.text): it was a directory with something in it: restore each of these by its path")
      }
      switch node.body {
      case .regular:
        unsafe try local.write(address.names, mode: node.mode, like: node) { feed in
          var failure: (any Error)?
          unsafe try history.content(of: node) { bytes throws(VaultError) in
            do { if failure == nil { try unsafe feed(bytes) } } catch { failure = error }
          }
          if let failure { throw failure }
        }
      case .symbolicLink(let target):
        try local.writeSymbolicLink(address.names, target: target)
      case .directory:
        let directory = try local.makeDirectories(address.names)
        guard directory.kind == .directory else { throw VFSError(.exists) }
        try local.imitate(node, directory.inode)
      case .fifo, .characterDevice, .blockDevice:
        throw Failure(.failed, "\(address.text): it was no file, directory or symbolic link in that version")
      }
      try local.finish()
    }
  }
}

/// `polykey verify`.
struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Verify every commit, signature and object of a vault; exits 6 if anything is wrong.",
    discussion: "Example: polykey verify prod")

  @OptionGroup var chosen: VaultOptions
  @Flag(help: "Print one JSON object a finding.") var json = false

  func run() throws {
    var findings = 0
    let summary = try explained {
      try chosen.open().verify { finding in
        findings += 1
        show(finding)
      }
    }
    Console.tell("\(summary.commits) commits, \(summary.objects) objects, \(summary.bytes) bytes read")
    if summary.withheld > 0 {
      Console.tell(
        "\(summary.withheld) older states are under keys that this machine was not given, and were not looked into")
    }
    if findings > 0 {
      throw Failure(
        .damaged,
        "\(findings) \(findings == 1 ? "thing is" : "things are") damaged: take them from a backup or an earlier version"
      )
    }
    Console.tell("all is well")
  }

  private func show(_ finding: Finding) {
    let subject: [UInt8]
    let path: [UInt8]?
    switch finding.subject {
    case .commit(let name): (subject, path) = ([UInt8]("commit \(name.hex)".utf8), nil)
    case .secret(let object, let known):
      path = known
      subject =
        known.map { [UInt8]("\(chosen.vault):".utf8) + $0 }
        ?? [UInt8]("secret of unknown name, object \(object.hex)".utf8)
    }
    let reason = Failure(finding.reason).sentence
    if json {
      Console.print(
        JSON.object([
          ("subject", .text(subject)), ("path", path.map { .text($0) } ?? .null),
          ("version", .string(finding.commit.hex)), ("reason", .string(reason)),
        ]))
    } else {
      Console.print(path: subject, ": \(reason)")
    }
  }
}

extension ObjectChange {
  /// A added, M modified, R renamed, D removed.
  var letter: String {
    if isAddition { return "A" }
    if isRemoval { return "D" }
    if let old, let new, old.paths != new.paths { return "R" }
    return "M"
  }

  /// The path, or both of a renamed secret.
  var pieces: [Console.Piece] {
    if path == nil, let unreadable {
      let state = if case .keyWithheld = unreadable { "withheld" } else { "damaged" }
      return [.text("(\(state) object \(object.hex.prefix(8)))")]
    }
    func name(_ path: [UInt8]?) -> Console.Piece { .name(path.map { $0.isEmpty ? [UInt8(ascii: ".")] : $0 } ?? []) }
    if letter == "R", old?.paths.first != new?.paths.first {
      return [name(old?.paths.first), .text(" -> "), name(path)]
    }
    return [name(path)]
  }

  /// The same as bytes.
  var bytes: [UInt8] {
    pieces.flatMap { piece in
      switch piece {
      case .text(let text): [UInt8](text.utf8)
      case .name(let name): name
      }
    }
  }
}
