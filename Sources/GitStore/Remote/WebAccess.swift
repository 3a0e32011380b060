/// Where user names and passwords for hosts come from; called on the thread of the call that needs them.
package protocol PasswordSource: Sendable {
  /// Lends a user name and a password, both NUL-terminated, to `use`; does not call it if there are none.
  func lend(to use: (_ user: UnsafePointer<CChar>, _ password: UnsafePointer<CChar>) -> Void)
  /// The host took them.
  func wasAccepted()
  /// The host did not take them: they are not to be offered again.
  func wasRefused()
}

/// What a connection over https needs beside its address.
package struct WebAccess: Sendable {
  /// Nil: hosts that want a password are not used.
  package var passwords: (any PasswordSource)?
  package var authorities = WebAuthorities()

  package init() {}
}
