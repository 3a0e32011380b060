import ArgumentParser
import Vault

/// The vault that a command is about, and how it gets at the identity.
struct VaultOptions: ParsableArguments {
  @OptionGroup var identity: IdentityOptions
  @Argument(help: "The vault.") var vault: String

  func name() throws -> VaultName { try VaultName(vault) }

  func open() throws -> Vault { try openWithKeynode().vault }

  func openWithKeynode() throws -> (keynode: Keynode, vault: Vault) {
    let keynode = try identity.keynode()
    return (keynode, try keynode.openVault(try name()))
  }
}

/// A member of a vault.
struct MemberOptions: ParsableArguments {
  @OptionGroup var chosen: VaultOptions
  @Argument(help: "The member: a node id, its first characters, or a label.") var member: MemberName

  func find() throws -> (vault: Vault, node: NodeID) {
    let vault = try chosen.open()
    return (vault, try member.find(in: vault))
  }
}

/// Which way an exchange goes.
struct DirectionOptions: ParsableArguments {
  @Flag(help: "Only give.") var push = false
  @Flag(help: "Only take.") var pull = false

  func validate() throws {
    if push, pull { throw ValidationError("Give --push or --pull, not both; without either it does both.") }
  }
}
