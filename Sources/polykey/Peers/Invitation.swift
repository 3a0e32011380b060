import GitStore
import Glibc
import PeerSync
import SecretMemory
import Vault

/// What an owner invited somebody to: a file in the keynode's state, named after the SHA-256 of its token, until it is over.
///
/// Lines of a word, a space and a value: `vault`, `name`, `role`, `history`, `label`, `expires`, `members`. Beside it, once somebody came, a file
/// `….used`: `node`, and `admitted` when all was done.
struct Invitation {
  var vault: VaultID
  /// What the inviter calls the vault.
  var name: String
  var role: Role
  var history: Bool
  var label: String?
  /// Seconds since 1970.
  var expires: Int64
  /// The members' commit at which it was made.
  var members: ObjectName

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
      "members \(members.hex)",
    ]
    if let label { lines.append("label \(People.line(label))") }
    return lines.joined(separator: "\n") + "\n"
  }

  private init?(_ text: String) {
    let fields = StateFile.fields(text)
    guard let vault = fields["vault"].flatMap({ VaultID(hex: $0) }), let name = fields["name"],
      let role = fields["role"].flatMap({ Role(rawValue: $0) }), let expires = fields["expires"].flatMap({ Int64($0) }),
      let members = fields["members"].flatMap({ ObjectName(hex: $0.utf8) })
    else { return nil }
    (self.vault, self.name, self.role, self.expires, self.members) = (vault, name, role, expires, members)
    history = fields["history"] != "false"
    label = fields["label"]
  }

  init(
    vault: VaultID, name: String, role: Role, history: Bool, label: String?, expires: Int64, members: ObjectName
  ) {
    (self.vault, self.name, self.role, self.history) = (vault, name, role, history)
    (self.label, self.expires, self.members) = (label, expires, members)
  }

  /// Why an invitation cannot be taken.
  struct Refusal: Error {
    let answer: JoinRefusal
    init(_ code: JoinRefusal.Code, _ sentence: String) { answer = JoinRefusal(code, sentence) }

    static let used = Refusal(.used, "somebody joined with this code already: ask for a new one")
    static let ended = Refusal(.used, "this code is good no more: ask for a new one")
  }

  /// Who came with an invitation.
  private struct Claim {
    var node: NodeID
    var isDone: Bool

    /// Nil also if a file is there that names nobody.
    init?(at path: String) {
      guard let fields = StateFile.read(path).map(StateFile.fields), let node = fields["node"].flatMap({ NodeID($0) })
      else { return nil }
      (self.node, isDone) = (node, fields["admitted"] == "true")
    }
  }

  /// An invitation that a node has shown the token of: for it alone from then on.
  struct Taken {
    let invitation: Invitation
    let node: NodeID
    fileprivate let path: String
    /// Whether `node` was admitted with it, and all that belongs to it was done.
    let isDone: Bool

    var terms: InvitationTerms {
      InvitationTerms(
        role: invitation.role, history: invitation.history, issued: invitation.members, wasUsed: isDone)
    }

    /// Binds the invitation to the node, on the disk.
    ///
    /// Whoever makes the file first has it, in whichever process it was asked.
    func claim() throws(Refusal) {
      if let claim = Claim(at: "\(path).used"), claim.node == node { return }
      let temporary = "\(path).claim-\(getpid())-\(UInt32.random(in: .min ... .max))"
      guard (try? StateFile.write("node \(node)\n", to: temporary)) != nil else {
        throw Refusal(.unavailable, "the inviter cannot write to its disk: try again later")
      }
      let isFirst = unsafe link(temporary, "\(path).used") == 0
      unsafe unlink(temporary)
      guard isFirst || Claim(at: "\(path).used")?.node == node else { throw .used }
    }

    /// Notes that the node was admitted: if it is removed, this does not let it in again.
    func finish() { try? StateFile.write("node \(node)\nadmitted true\n", to: "\(path).used") }

    func end() { Invitation.remove(path) }
  }

  /// The invitation that `token` stands for, if `node` may still take it; by the same node again, as an answer may have been lost.
  static func find(_ token: [UInt8], by node: NodeID, at paths: KeynodePaths) throws(Refusal) -> Taken {
    let path = path(of: token, at: paths)
    guard let invitation = StateFile.read(path).flatMap({ Invitation($0) }) else {
      throw Refusal(.unknownToken, "there is no such invitation")
    }
    guard Int64(time(nil)) < invitation.expires else {
      remove(path)
      throw Refusal(.expired, "the code has expired: ask for a new one")
    }
    let claim = Claim(at: "\(path).used")
    guard claim.map({ $0.node == node }) ?? (unsafe access("\(path).used", F_OK) != 0) else { throw .used }
    return Taken(invitation: invitation, node: node, path: path, isDone: claim?.isDone ?? false)
  }

  private static func remove(_ path: String) {
    unsafe unlink(path)
    unsafe unlink("\(path).used")
  }

  /// Removes what expired; and of `vault`, if it is given, what no longer holds as its members are now.
  ///
  /// Only tidies up: ``find(_:by:at:)`` and the members decide.
  static func tidy(_ vault: Vault? = nil, at paths: KeynodePaths) {
    for name in StateFile.names(in: folder(paths)) where !name.contains(".") {
      let path = "\(folder(paths))/\(name)"
      guard let invitation = StateFile.read(path).flatMap({ Invitation($0) }) else { continue }
      if invitation.expires <= Int64(time(nil)) { remove(path) }
      guard let vault, vault.id == invitation.vault else { continue }
      let claim = Claim(at: "\(path).used")
      let terms = InvitationTerms(
        role: invitation.role, history: invitation.history, issued: invitation.members, wasUsed: claim?.isDone ?? false)
      switch try? vault.outcome(for: claim?.node ?? vault.identity.node, under: terms) {
      case .ended: remove(path)
      case .hasOtherRole where claim != nil: remove(path)
      case .admitted, .isMember, .hasOtherRole, nil: break
      }
    }
  }
}
