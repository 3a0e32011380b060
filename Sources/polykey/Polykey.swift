import ArgumentParser
import Glibc

/// The program.
@main
struct Polykey: ParsableCommand {
  static let version = "0.2.0"

  static let configuration = CommandConfiguration(
    commandName: "polykey",
    abstract: "Encrypted, versioned vaults of secrets, mounted as ordinary directories.",
    discussion: """
      A vault is a stock bare git repository, each secret in it a stock age file. Secrets are named VAULT:PATH.

      Start with:
        polykey init
        polykey vault create default
        polykey mount ~/polykey

      Exit status: 0 done; 1 failed; 3 no such vault, secret or version; 4 exists already; 5 identity or passphrase;
      6 damaged or forged data; 7 cannot mount or unmount; 8 no space left; 9 a peer cannot be
      reached or refuses; 10 your role does not allow it; 11 something is left (`exposed`, a directory that is not empty);
      12 in use, or others kept changing it; 64 wrong usage.
      """,
    version: version,
    subcommands: [
      Init.self, Recover.self, VaultCommand.self,
      MountVaults.self, Unmount.self, Status.self,
      ListSecrets.self, GetSecret.self, SetSecret.self, RemoveSecret.self, MoveSecret.self, MakeDirectory.self,
      ListConflicts.self, WatchSecrets.self,
      LogVersions.self, ShowVersion.self, DiffVersions.self, RestoreVersion.self, Verify.self,
      ListMembers.self, Invite.self, Join.self, SetRole.self, RemoveMember.self, ListExposed.self, Rotate.self,
      Serve.self, Synchronize.self, ListPeers.self, PeerCommand.self, WriteBundle.self, ApplyBundle.self,
      RemoteCommand.self, ExportVault.self,
      KeyCommand.self, Unlock.self, Lock.self, Signers.self,
    ])

  /// Runs the command that the arguments name; every failure is one sentence on stderr and a documented exit status.
  static func main() {
    do {
      try Hardening.apply()
      var command = try parseAsRoot(Arguments.read())
      try Arguments.requireUnderstood()
      guard type(of: command).configuration.subcommands.isEmpty else {
        throw Failure(.usage, "no command is given: see --help")
      }
      try command.run()
      try Console.finishOutput()
    } catch let failure as Failure {
      Console.complain(failure.sentence)
      Glibc.exit(failure.status.rawValue)
    } catch {
      if error is ExitCode || exitCode(for: error) == .success { exit(withError: error) }
      Console.complain("\(usageSentence(error)): see --help")
      Glibc.exit(Failure.Status.usage.rawValue)
    }
  }

  /// What is wrong with the arguments; not those that have no place, as one may be a secret that was to go to stdin.
  private static func usageSentence(_ error: any Error) -> String {
    var message = message(for: error).split(separator: "\n").first.map(String.init) ?? "wrong usage"
    if message.contains("nexpected argument") { return "no such command, or an argument too many" }
    if message.hasSuffix(".") { message.removeLast() }
    return message.prefix(1).lowercased() + message.dropFirst()
  }
}
