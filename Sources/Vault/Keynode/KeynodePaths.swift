/// Where a keynode's files are (docs/format.md, "Keynode").
package struct KeynodePaths: Hashable, Sendable {
  /// The keynode's directory, absolute.
  package let home: String

  package init(home: String) { self.home = home }

  /// `$POLYKEY_HOME`, else `$XDG_DATA_HOME/polykey`, else `~/.local/share/polykey`; nil if none of the three is set and absolute.
  package init?(environment: [String: String]) {
    func absolute(_ name: String) -> String? {
      guard let value = environment[name], value.hasPrefix("/") else { return nil }
      return value.count > 1 && value.hasSuffix("/") ? String(value.dropLast()) : value
    }
    if let home = absolute("POLYKEY_HOME") {
      self.home = home
    } else if let data = absolute("XDG_DATA_HOME") {
      home = "\(data)/polykey"
    } else if let user = absolute("HOME") {
      home = "\(user)/.local/share/polykey"
    } else {
      return nil
    }
  }

  package var plainIdentity: String { "\(home)/identity" }
  package var protectedIdentity: String { "\(home)/identity.age" }
  package var publicIdentity: String { "\(home)/identity.pub" }
  package var vaults: String { "\(home)/vaults" }
  package var state: String { "\(home)/state" }

  package func repository(of vault: VaultName) -> String { "\(vaults)/\(vault.text).git" }
}
