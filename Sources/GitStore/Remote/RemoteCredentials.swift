internal import CLibGit2
internal import Glibc

/// What is offered to a host that asks who we are: over ssh the agent's keys, then the usual key files without passphrase; over https a
/// password that somebody else knows.
final class RemoteCredentials {
  /// As `ssh` names and orders them, the most usual first.
  private static let fileNames = ["id_ed25519", "id_ecdsa", "id_rsa"]

  private enum Offer {
    case agent
    case file(String)
  }

  private var offers: [Offer]
  private let passwords: (any PasswordSource)?
  /// Whether anything was offered.
  private(set) var wereTried = false

  init(passwords: (any PasswordSource)? = nil) {
    self.passwords = passwords
    offers = []
    if unsafe getenv("SSH_AUTH_SOCK") != nil { offers.append(.agent) }
    guard let home = unsafe getenv("HOME").map({ unsafe String(cString: $0) }) else { return }
    for name in Self.fileNames {
      let path = "\(home)/.ssh/\(name)"
      if unsafe access(path, R_OK) == 0 { offers.append(.file(path)) }
    }
  }

  /// Makes the next credential; libgit2 asks again for as long as none is accepted.
  ///
  /// - Returns: A status for libgit2: `GIT_EAUTH` if there is nothing more to offer.
  func next(_ out: UnsafeMutablePointer<UnsafeMutablePointer<git_credential>?>?, user: String?, _ allowed: UInt32)
    -> Int32
  {
    if let passwords, allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT.rawValue != 0 {
      return unsafe lend(from: passwords, out)
    }
    let user = user ?? Self.userName
    if allowed & GIT_CREDENTIAL_USERNAME.rawValue != 0 { return unsafe git_credential_username_new(out, user) }
    guard allowed & GIT_CREDENTIAL_SSH_KEY.rawValue != 0 else { return GIT_EAUTH.rawValue }
    while !offers.isEmpty {
      wereTried = true
      let status =
        switch offers.removeFirst() {
        case .agent: unsafe git_credential_ssh_key_from_agent(out, user)
        case .file(let path): unsafe git_credential_ssh_key_new(out, user, nil, path, nil)
        }
      if status == 0 { return 0 }
    }
    return GIT_EAUTH.rawValue
  }

  private func lend(
    from passwords: any PasswordSource, _ out: UnsafeMutablePointer<UnsafeMutablePointer<git_credential>?>?
  ) -> Int32 {
    if wereTried {
      passwords.wasRefused()
      return GIT_EAUTH.rawValue
    }
    var status = GIT_EAUTH.rawValue
    // Libgit2 copies both, and wipes its copy of the password.
    unsafe passwords.lend { user, password in
      wereTried = true
      status = unsafe git_credential_userpass_plaintext_new(out, user, password)
    }
    return status
  }

  /// The host took what was offered.
  func wereAccepted() { if wereTried { passwords?.wasAccepted() } }

  /// What it means that a host accepts nothing.
  var failure: RemoteFailure {
    if passwords == nil { return .notAuthenticated }
    return wereTried ? .passwordWrong : .passwordMissing
  }

  /// The name of the process's user, as ssh takes where none is given.
  private static var userName: String {
    // SAFETY: the entry is static memory of libc's, copied at once.
    guard let entry = unsafe getpwuid(getuid()), let name = unsafe entry.pointee.pw_name else { return "git" }
    return unsafe String(cString: name)
  }
}
