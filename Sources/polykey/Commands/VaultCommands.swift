import ArgumentParser
import Vault

/// `polykey vault`.
struct VaultCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vault", abstract: "Make, list, rename, upgrade and remove vaults.",
    subcommands: [Create.self, ListVaults.self, Rename.self, Upgrade.self, RemoveVault.self])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a vault of which this keynode is the owner.",
      discussion: "A mount of all vaults shows it at once.\n\nExample: polykey vault create prod")

    @OptionGroup var identity: IdentityOptions
    @Argument(help: "The vault's name on this machine.") var name: String

    func run() throws {
      _ = try explained { try identity.keynode().createVault(try VaultName(name)) }
    }
  }

  struct ListVaults: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List this keynode's vaults.", discussion: "Example: polykey vault list --json")

    @Flag(help: "Print one JSON object a line.") var json = false

    func run() throws {
      let paths = try IdentityOptions.paths()
      try explained {
        guard Keynode.exists(at: paths) else { throw VaultError.keynodeMissing(path: paths.home) }
        for vault in try Keynode.vaults(at: paths) {
          let repository = paths.repository(of: vault)
          Console.print(
            json ? JSON.object([("vault", .string(vault.text)), ("repository", .string(repository))]) : vault.text)
        }
      }
    }
  }

  struct Rename: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Give a vault another name on this machine; it must not be mounted.",
      discussion: "Example: polykey vault rename prod production")

    @OptionGroup var identity: IdentityOptions
    @Argument(help: "The vault.") var name: String
    @Argument(help: "Its new name.") var newName: String

    func run() throws {
      try explained {
        let (name, newName) = (try VaultName(name), try VaultName(newName))
        let keynode = try identity.keynode()
        try naming(name, keynode) { try keynode.renameVault(name, to: newName) }
      }
    }
  }

  struct Upgrade: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a vault one of the newest format; older programs refuse it from then on.",
      discussion: "An owner does it once for all members.\n\nExample: polykey vault upgrade prod")

    @OptionGroup var chosen: VaultOptions

    func run() throws {
      try explained {
        let vault = try chosen.open()
        let format = Membership.newestFormat
        Console.tell(
          try vault.upgrade()
            ? "\(vault.name.text) has format \(format) now." : "\(vault.name.text) has format \(format) already.")
        try vault.finish()
      }
    }
  }

  struct RemoveVault: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove", abstract: "Delete a vault and all its versions from this machine; it must not be mounted.",
      discussion: "Example: polykey vault remove old --yes")

    @OptionGroup var identity: IdentityOptions
    @Argument(help: "The vault.") var name: String
    @Flag(help: "Do not ask.") var yes = false

    func run() throws {
      try explained {
        let name = try VaultName(name)
        if !yes {
          guard Console.hasTerminal else { throw Failure(.usage, "give --yes to delete a vault without being asked") }
          Console.tell("This deletes the vault with all its versions from this machine. Type its name to go on:")
          guard readLine() == name.text else { throw Failure(.failed, "that is not its name: nothing was deleted") }
        }
        let keynode = try identity.keynode()
        try naming(name, keynode) { try keynode.removeVault(name) }
      }
    }
  }
}

/// Runs `body`; if that fails as the vault is mounted, it says where, and by which process.
private func naming(_ vault: VaultName, _ keynode: Keynode, _ body: () throws -> Void) throws {
  do {
    try body()
  } catch VaultError.vaultMounted {
    let mount = MountRecord.all(of: keynode.paths).first {
      ($0.vault == nil || $0.vault == vault.text) && $0.isAlive
    }
    guard let mount else { throw VaultError.vaultMounted }
    throw Failure(
      .busy, "the vault \(vault.text) is mounted at \(mount.directory), by process \(mount.process): unmount it first")
  }
}
