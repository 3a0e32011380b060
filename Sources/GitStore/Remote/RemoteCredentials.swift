internal import CLibGit2
internal import Glibc

/// What is offered to a host that asks who we are: the ssh agent's keys, then the usual key files without passphrase.
final class RemoteCredentials {
  /// As `ssh` names and orders them, the most usual first.
  private static let fileNames = ["id_ed25519", "id_ecdsa", "id_rsa"]

  private enum Offer {
    case agent
    case file(String)
  }

  private var offers: [Offer]
  /// Whether anything was offered.
  private(set) var wereTried = false

  init() {
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

  /// The name of the process's user, as ssh takes where none is given.
  private static var userName: String {
    // SAFETY: the entry is static memory of libc's, copied at once.
    guard let entry = unsafe getpwuid(getuid()), let name = unsafe entry.pointee.pw_name else { return "git" }
    return unsafe String(cString: name)
  }
}
