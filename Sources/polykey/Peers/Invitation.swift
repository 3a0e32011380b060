import Glibc
import PeerSync
import SecretMemory
import Vault

/// What an owner invited somebody to: a file in the keynode's state, named after the SHA-256 of its token, until it is used or expires.
///
/// Lines of a word, a space and a value: `vault`, `name`, `role`, `history`, `label`, `expires`, and once somebody came `used`.
struct Invitation {
  var vault: VaultID
  /// What the inviter calls the vault.
  var name: String
  var role: Role
  var history: Bool
  var label: String?
  /// Seconds since 1970.
  var expires: Int64
  /// Who joined with it.
  var used: NodeID?

  private static func folder(_ paths: KeynodePaths) -> String { "\(paths.state)/invitations" }

  private static func path(of token: [UInt8], at paths: KeynodePaths) -> String {
    "\(folder(paths))/\(Digest.hex(of: token))"
  }

  /// Keeps the invitation; returns its token, which is kept nowhere.
  func issue(at paths: KeynodePaths) throws -> [UInt8] {
    let token = try Digest.randomBytes(PairingCode.tokenSize)
    unsafe mkdir(paths.state, 0o700)
    unsafe mkdir(Invitation.folder(paths), 0o700)
    try StateFile.write(text, to: Invitation.path(of: token, at: paths))
    return token
  }

  private var text: String {
    var lines = [
      "vault \(vault.hex)", "name \(name)", "role \(role.rawValue)", "history \(history)", "expires \(expires)",
    ]
    if let label { lines.append("label \(People.line(label))") }
    if let used { lines.append("used \(used)") }
    return lines.joined(separator: "\n") + "\n"
  }

  private init?(_ text: String) {
    let fields = StateFile.fields(text)
    guard let vault = fields["vault"].flatMap({ VaultID(hex: $0) }), let name = fields["name"],
      let role = fields["role"].flatMap({ Role(rawValue: $0) }), let expires = fields["expires"].flatMap({ Int64($0) })
    else { return nil }
    (self.vault, self.name, self.role, self.expires) = (vault, name, role, expires)
    history = fields["history"] != "false"
    label = fields["label"]
    used = fields["used"].flatMap { NodeID($0) }
  }

  init(vault: VaultID, name: String, role: Role, history: Bool, label: String?, expires: Int64) {
    (self.vault, self.name, self.role, self.history) = (vault, name, role, history)
    (self.label, self.expires) = (label, expires)
  }

  /// Why an invitation cannot be taken.
  struct Refusal: Error {
    let answer: JoinRefusal
    init(_ code: JoinRefusal.Code, _ sentence: String) { answer = JoinRefusal(code, sentence) }
  }

  /// Takes the invitation that `token` stands for, for `node` alone; again by the same node, as an answer may have been lost.
  static func take(_ token: [UInt8], by node: NodeID, at paths: KeynodePaths) throws(Refusal) -> Invitation {
    let path = path(of: token, at: paths)
    guard let text = StateFile.read(path), var invitation = Invitation(text) else {
      throw Refusal(.unknownToken, "there is no such invitation")
    }
    if invitation.used == node { return invitation }
    guard invitation.used == nil else {
      throw Refusal(.used, "somebody joined with this code already: ask for a new one")
    }
    guard Int64(time(nil)) < invitation.expires else {
      unsafe unlink(path)
      throw Refusal(.expired, "the code has expired: ask for a new one")
    }
    invitation.used = node
    // Whoever makes this file first has it, in whichever process it was asked.
    let claim = unsafe open("\(path).used", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard claim >= 0, (try? StateFile.write(invitation.text, to: path)) != nil else {
      if claim >= 0 { close(claim) }
      throw Refusal(.used, "somebody joined with this code already: ask for a new one")
    }
    close(claim)
    return invitation
  }

  /// Removes what expired.
  static func forgetExpired(at paths: KeynodePaths) {
    for name in StateFile.names(in: folder(paths)) where !name.hasSuffix(".used") {
      let path = "\(folder(paths))/\(name)"
      guard let invitation = StateFile.read(path).flatMap({ Invitation($0) }), invitation.expires < Int64(time(nil))
      else { continue }
      unsafe unlink(path)
      unsafe unlink("\(path).used")
    }
  }
}
