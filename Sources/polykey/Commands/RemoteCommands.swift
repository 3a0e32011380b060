import ArgumentParser
import GitStore
import Vault

/// `polykey remote`.
struct RemoteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remote", abstract: "Keep stock git repositories as replicas of a vault: they hold no keys.",
    discussion: """
      A path, HOST:PATH, or a file://, ssh:// or https:// URL of a git repository, as `git init --bare` makes one. It gets the vault's \
      branches; what is taken from it is verified as from a peer.

      Over ssh the keys are those of ssh-agent, or key files without a passphrase, and the host is in ~/.ssh/known_hosts. Over https your git's \
      http.sslCAInfo, http.sslCAPath and credential helpers hold, and it asks for a password on a terminal.

      Example: polykey remote add prod backup git@example.org:prod.git
      """,
    subcommands: [Add.self, ListRemotes.self, Remove.self, Sync.self])

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Name a git repository for a vault, or give it another address.",
      discussion: "Example: polykey remote add prod backup /mnt/backup/prod.git")

    @OptionGroup var chosen: VaultOptions
    @Argument(help: "What you call it.") var name: String
    @Argument(help: "Its address.") var url: String

    func run() throws {
      try explained {
        let (keynode, vault) = try chosen.openWithKeynode()
        guard !name.isEmpty, !name.contains(where: { $0.isWhitespace || $0 == "#" }) else {
          throw Failure(.usage, "a remote's name has no spaces")
        }
        guard !url.contains(where: \.isNewline) else { throw Failure(.usage, "an address is one line") }
        // A path is one from wherever the program is run later.
        let isPath = url.hasPrefix("/") || !url.contains(":")
        let address = isPath && !url.isEmpty ? try MountPoint.absolute(url) : url
        do throws(GitError) {
          _ = try RemoteRepository(at: address, from: vault.repository)
        } catch {
          throw Failure(.usage, error.sentence)
        }
        var known = KnownRemotes(at: keynode.paths)
        try known.add(.init(vault: vault.id, name: name, address: address))
      }
    }
  }

  struct ListRemotes: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List a vault's remotes.", discussion: "Example: polykey remote list prod --json")

    @OptionGroup var chosen: VaultOptions
    @Flag(help: "Print one JSON object a line.") var json = false

    func run() throws {
      try explained {
        let (keynode, vault) = try chosen.openWithKeynode()
        for remote in KnownRemotes(at: keynode.paths).remotes(of: vault.id) {
          Console.print(
            json
              ? JSON.object([("name", .string(remote.name)), ("url", .string(remote.address))])
              : "\(remote.name)  \(remote.address)")
        }
      }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forget a remote; the repository itself stays.",
      discussion: "Example: polykey remote remove prod backup")

    @OptionGroup var chosen: VaultOptions
    @Argument(help: "What you call it.") var name: String

    func run() throws {
      try explained {
        let (keynode, vault) = try chosen.openWithKeynode()
        var known = KnownRemotes(at: keynode.paths)
        guard try known.remove(name, of: vault.id) else { throw RemoteCommand.missing(vault) }
      }
    }
  }

  struct Sync: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Exchange a vault with one of its remotes, or with all.",
      discussion: """
        Exits 6 if something was refused, here or there; 9 if a remote cannot be used.

        Example: polykey remote sync prod backup --push
        """)

    @OptionGroup var chosen: VaultOptions
    @Argument(help: "What you call it; without a name all.") var name: String?
    @OptionGroup var direction: DirectionOptions

    func run() throws {
      try explained {
        let (keynode, vault) = try chosen.openWithKeynode()
        let all = KnownRemotes(at: keynode.paths).remotes(of: vault.id)
        let wanted = all.filter { name == nil || $0.name == name }
        guard !wanted.isEmpty else { throw RemoteCommand.missing(vault) }
        var failure: Failure?
        for remote in wanted {
          do {
            try explained { try RemoteExchange(vault, remote, direction).run() }
          } catch let error as Failure {
            if let failure { Console.complain(failure.sentence) }
            failure = error
          }
        }
        try vault.finish()
        if let failure { throw failure }
      }
    }
  }

  private static func missing(_ vault: Vault) -> Failure {
    Failure(.missing, "there is no such remote: see `polykey remote list \(vault.name.text)`")
  }
}
