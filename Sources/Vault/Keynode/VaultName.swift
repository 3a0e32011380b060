/// A vault's local name, one plain path component anywhere.
///
/// 1 to 100 letters, digits, dots, dashes and underscores, of which a dot or dash does not come first.
package struct VaultName: Hashable, Comparable, Sendable {
  package let text: String

  /// - Throws: ``VaultError/vaultNameInvalid``.
  package init(_ text: String) throws(VaultError) {
    let allowed = text.utf8.allSatisfy { byte in
      switch byte {
      case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2E, 0x5F, 0x2D: true
      default: false
      }
    }
    guard allowed, 1...100 ~= text.utf8.count, !text.hasPrefix("."), !text.hasPrefix("-"), !text.hasSuffix(".git")
    else {
      throw .vaultNameInvalid
    }
    self.text = text
  }

  package static func < (a: VaultName, b: VaultName) -> Bool { a.text < b.text }
}
