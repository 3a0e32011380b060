import ArgumentParser
import Vault
import VirtualFS

/// `VAULT:PATH`, as in `prod:db/password`; the path is from the vault's root, and `VAULT:` is the root itself.
struct Address: ExpressibleByArgument, Sendable {
  let vault: VaultName
  /// The path's names.
  let names: [Name]
  /// For sentences: quoted where it could be mistaken.
  let text: String

  init?(argument: String) { self.init(Arguments.bytes(of: argument)) }

  fileprivate init?(_ bytes: [UInt8]) {
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
      let vault = try? VaultName(String(decoding: bytes[..<colon], as: UTF8.self))
    else { return nil }
    var names: [Name] = []
    for part in bytes[(colon + 1)...].split(separator: 0x2F) where Array(part) != [0x2E] {
      guard let name = try? Name(part) else { return nil }
      names.append(name)
    }
    self.vault = vault
    self.names = names
    text = Quoted.text(bytes)
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
    if argument.utf8.contains(UInt8(ascii: ":")) {
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

/// `VAULT:PATH@VERSION`, where the version is `~` and a number, or 4 to 40 hexadecimal digits; another `@` is the path's.
struct VersionedAddress: ExpressibleByArgument, Sendable {
  let address: Address
  /// Nil if the argument is a path alone.
  private let named: String?

  init?(argument: String) {
    let bytes = Arguments.bytes(of: argument)
    let at = bytes.lastIndex(of: UInt8(ascii: "@"))
    let version = at.map { String(decoding: bytes[($0 + 1)...], as: UTF8.self) } ?? ""
    let isVersion = VersionedAddress.isVersion(version)
    guard let address = Address(isVersion ? Array(bytes[..<(at ?? 0)]) : bytes), !address.names.isEmpty else {
      return nil
    }
    self.address = address
    named = isVersion ? version : nil
  }

  /// - Throws: ``Failure`` if none was named.
  var version: String {
    get throws {
      guard let named else {
        throw Failure(
          .usage, "\(address.text): no version is named: put @~1 behind it, or @ and a version of `polykey log`")
      }
      return named
    }
  }

  private static func isVersion(_ text: String) -> Bool {
    if text.utf8.first == UInt8(ascii: "~") { return text.utf8.dropFirst().allSatisfy { 0x30...0x39 ~= $0 } }
    return 4...40 ~= text.utf8.count && text.utf8.allSatisfy { 0x30...0x39 ~= $0 || 0x61...0x66 ~= $0 }
  }
}

/// A path in a vault, of any bytes.
struct PathArgument: ExpressibleByArgument, Sendable {
  let bytes: [UInt8]
  /// For sentences.
  var text: String { Quoted.text(bytes) }

  init?(argument: String) { bytes = Arguments.bytes(of: argument) }
}
