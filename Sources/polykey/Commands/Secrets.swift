import ArgumentParser
import Glibc
import Vault
import VirtualFS

/// `polykey ls`.
struct ListSecrets: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List the secrets in a directory of a vault.",
    discussion: "Example: polykey ls -r prod:db")

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT or VAULT:PATH") var scope: Scope
  @Flag(name: .shortAndLong, help: "Also list what is in its directories.") var recursive = false
  @Flag(help: "Print one JSON object a line.") var json = false

  func run() throws {
    let local = try LocalFileSystem(scope.vault, of: try identity.keynode())
    try explained(scope.secret?.text ?? scope.vault.text) {
      let path = scope.secret?.path ?? []
      let found = try local.find(scope.secret?.names ?? [])
      if found.kind == .directory {
        try list(found.inode, prefix: path, in: local)
      } else {
        show(path: path, found)
      }
    }
  }

  private func list(_ directory: InodeID, prefix: [UInt8], in local: LocalFileSystem) throws {
    for entry in try local.entries(of: directory) {
      guard let attributes = entry.attributes else { continue }
      let path = prefix.isEmpty ? entry.name : prefix + [0x2F] + entry.name
      show(path: path, attributes)
      if recursive, attributes.kind == .directory { try list(attributes.inode, prefix: path, in: local) }
    }
  }

  private func show(path: [UInt8], _ attributes: Attributes) {
    if json {
      Console.print(
        JSON.object([
          ("path", .text(path)), ("kind", .string(attributes.kind.word)),
          ("mode", .string(String(attributes.mode, radix: 8))),
          ("size", .number(attributes.size)), ("modified", .string(Dates.iso(attributes.modified.seconds))),
        ]))
    } else {
      Console.print(path: path, attributes.kind == .directory ? "/" : "")
    }
  }
}

/// `polykey get`.
struct GetSecret: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Print a secret, byte for byte.", discussion: "Example: polykey get prod:db/password")

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH") var address: Address

  func run() throws {
    let local = try LocalFileSystem(address.vault, of: try identity.keynode())
    try explained(address.text) {
      let found = try local.find(address.names)
      guard found.kind == .regular else { throw Failure(.failed, "\(address.text): not a regular file") }
      try unsafe local.read(found.inode) { bytes in
        guard unsafe Console.write(bytes, to: 1) else {
          try Console.finishOutput()
          throw Failure(.failed, "cannot write to standard output: \(ErrorNumber.text(EPIPE))")
        }
      }
    }
  }
}

/// `polykey set`.
struct SetSecret: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Write a secret from standard input, byte for byte, as one version; missing directories are made.",
    discussion: """
      Nothing is replaced before the input has been read to its end. On a terminal one line is asked for twice, and stored without a newline.

      Example: pwgen -s 32 1 | tr -d '\\n' | polykey set prod:db/password
      """)

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH") var address: Address

  func run() throws {
    guard !address.names.isEmpty else {
      throw Failure(.usage, "\(address.text): name a secret, as in prod:db/password")
    }
    let local = try LocalFileSystem(address.vault, of: try identity.keynode())
    try explained(address.text) {
      let typed = isatty(0) == 1 ? try Console.newSecret() : nil
      unsafe try local.write(address.names) { feed in
        guard let typed else { return try unsafe Console.readInput(feed) }
        try unsafe typed.withUnsafeBytes { try unsafe feed($0) }
      }
      try local.finish()
    }
  }
}

/// `polykey rm`.
struct RemoveSecret: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove a secret or a directory; its versions stay in the history.",
    discussion: "Example: polykey rm -r prod:old")

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH") var address: Address
  @Flag(name: .shortAndLong, help: "Remove a directory with all in it.") var recursive = false

  func run() throws {
    guard let name = address.names.last else {
      throw Failure(.usage, "\(address.text): use `polykey vault remove` for a whole vault")
    }
    let local = try LocalFileSystem(address.vault, of: try identity.keynode())
    try explained(address.text) {
      let parent = try local.find(address.names.dropLast())
      try remove(name, in: parent.inode, from: local)
      try local.finish()
    }
  }

  private func remove(_ name: Name, in parent: InodeID, from local: LocalFileSystem) throws {
    let found = try local.fileSystem.lookup(name, in: parent).attributes
    guard found.kind == .directory else { return try local.remove(name, in: parent) }
    if recursive {
      for entry in try local.entries(of: found.inode) {
        try remove(try Name(entry.name), in: found.inode, from: local)
      }
    }
    try local.removeDirectory(name, in: parent)
  }
}

/// `polykey mv`.
struct MoveSecret: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mv", abstract: "Rename a secret or a directory within its vault; its history goes with it.",
    discussion: "Example: polykey mv prod:db/password prod:db/password.old")

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH") var from: Address
  @Argument(help: "VAULT:PATH, or a directory of the vault to move it into.") var to: Address

  func run() throws {
    guard from.vault == to.vault else {
      throw Failure(
        .usage, "a secret is moved within one vault: use `polykey get` and `polykey set` to copy it to another")
    }
    guard let name = from.names.last else {
      throw Failure(.usage, "\(from.text): use `polykey vault rename` for a whole vault")
    }
    let local = try LocalFileSystem(from.vault, of: try identity.keynode())
    try explained(from.text) {
      let parent = try local.find(from.names.dropLast())
      let target = try local.findIfAny(to.names)
      if let target, target.kind == .directory {
        try local.rename(name, in: parent.inode, to: name, in: target.inode)
      } else if let newName = to.names.last {
        let newParent = try local.find(to.names.dropLast())
        try local.rename(name, in: parent.inode, to: newName, in: newParent.inode)
      }
      try local.finish()
    }
  }
}

/// `polykey mkdir`.
struct MakeDirectory: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mkdir", abstract: "Make a directory in a vault.",
    discussion: "Example: polykey mkdir -p prod:db/replica")

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH") var address: Address
  @Flag(name: .shortAndLong, help: "Make missing parents; an existing directory is no error.") var parents = false

  func run() throws {
    guard let name = address.names.last else {
      throw Failure(.usage, "\(address.text): name a directory, as in prod:db")
    }
    let local = try LocalFileSystem(address.vault, of: try identity.keynode())
    try explained(address.text) {
      if parents {
        guard try local.makeDirectories(address.names).kind == .directory else {
          throw Failure(.exists, "\(address.text): exists and is not a directory")
        }
      } else {
        _ = try local.makeDirectory(name, in: try local.find(address.names.dropLast()).inode)
      }
      try local.finish()
    }
  }
}
