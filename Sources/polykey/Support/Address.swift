import ArgumentParser
import Vault
import VirtualFS

/// `VAULT:PATH`, as in `prod:db/password`; the path is from the vault's root, and `VAULT:` is the root itself.
struct Address: ExpressibleByArgument, Sendable {
  let vault: VaultName
  /// The path's names.
  let names: [Name]
  let text: String

  init?(argument: String) {
    guard let colon = argument.firstIndex(of: ":"), let vault = try? VaultName(String(argument[..<colon])) else {
      return nil
    }
    var names: [Name] = []
    for part in argument[argument.index(after: colon)...].utf8.split(separator: 0x2F) where Array(part) != [0x2E] {
      guard let name = try? Name(part) else { return nil }
      names.append(name)
    }
    self.vault = vault
    self.names = names
    text = argument
  }

  /// The path as the vault stores it.
  var path: [UInt8] { Array(names.map(\.bytes).joined(separator: [0x2F])) }
}

/// `VAULT` or `VAULT:PATH`.
struct Scope: ExpressibleByArgument, Sendable {
  let vault: VaultName
  /// The secret; nil for the whole vault.
  let secret: Address?

  init?(argument: String) {
    if argument.contains(":") {
      guard let address = Address(argument: argument) else { return nil }
      vault = address.vault
      secret = address.names.isEmpty ? nil : address
    } else {
      guard let vault = try? VaultName(argument) else { return nil }
      self.vault = vault
      secret = nil
    }
  }
}

/// `VAULT:PATH@VERSION`.
struct VersionedAddress: ExpressibleByArgument, Sendable {
  let address: Address
  let version: String

  init?(argument: String) {
    guard let at = argument.lastIndex(of: "@"), let address = Address(argument: String(argument[..<at])) else {
      return nil
    }
    let version = String(argument[argument.index(after: at)...])
    guard !version.isEmpty, !address.names.isEmpty else { return nil }
    self.address = address
    self.version = version
  }
}
