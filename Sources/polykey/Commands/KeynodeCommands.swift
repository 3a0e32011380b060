import ArgumentParser
import Glibc
import SecretMemory
import Vault

/// `polykey init`.
struct Init: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make this machine's keynode: its identity, under a passphrase.",
    discussion: """
      Prints the node id and, on a terminal, the recovery phrase: 24 words that are the whole identity. Write them down. Elsewhere, as in a \
      log, they are not printed: `polykey key phrase` does that.

      Example: polykey init --label laptop
      """)

  @Option(help: "A name for this keynode.") var label: String?
  @Option(help: ArgumentHelp("Read the passphrase from the first line of a file.", valueName: "file"))
  var passphraseFile: String?
  @Flag(help: "Leave the identity unprotected on disk, for this user's eyes only (mode 0600).") var noPassphrase = false

  func validate() throws {
    if noPassphrase, passphraseFile != nil {
      throw ValidationError("Give --passphrase-file or --no-passphrase, not both.")
    }
    if let label, label.utf8.contains(where: { $0 < 0x20 }) || label.utf8.count > 200 {
      throw ValidationError("A label is one line of at most 200 bytes.")
    }
  }

  func run() throws {
    let paths = try IdentityOptions.paths()
    try explained {
      guard !Keynode.exists(at: paths) else { throw VaultError.keynodeExists(path: paths.home) }
      let passphrase = noPassphrase ? nil : try NewPassphrase.ask(file: passphraseFile)
      let identity = try Identity()
      try IdentityFile.create(identity, label: label, passphrase: passphrase, at: paths)
      try NewKeynode.present(identity, at: paths)
    }
  }
}

/// `polykey recover`.
struct Recover: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Get an identity back from its 24 words, read from standard input.",
    discussion: "Example: polykey recover --no-passphrase < words")

  @Option(help: "A name for this keynode.") var label: String?
  @Option(help: ArgumentHelp("Read the new passphrase from the first line of a file.", valueName: "file"))
  var passphraseFile: String?
  @Flag(help: "Leave the identity unprotected on disk, for this user's eyes only (mode 0600).") var noPassphrase = false

  func run() throws {
    let paths = try IdentityOptions.paths()
    try explained {
      guard !Keynode.exists(at: paths) else { throw VaultError.keynodeExists(path: paths.home) }
      if Console.hasTerminal { Console.tell("Type the 24 words of the recovery phrase, then press Enter.") }
      let phrase =
        Console.hasTerminal ? try Console.readSecretLine(from: 0) : try Console.readSecret(from: 0, limit: 4096)
      let identity = try RecoveryPhrase.decode(phrase)
      let passphrase = noPassphrase ? nil : try NewPassphrase.ask(file: passphraseFile)
      try IdentityFile.create(identity, label: label, passphrase: passphrase, at: paths)
      Console.print("node \(identity.node)")
    }
  }
}

/// What a new keynode's maker must see.
enum NewKeynode {
  static func present(_ identity: Identity, at paths: KeynodePaths) throws {
    Console.print("node \(identity.node)")
    guard isatty(1) == 1 else {
      // It would be in the clear in a log or a pipe's file, for whoever reads that.
      return Console.tell("The recovery phrase is not shown, as this is no terminal: see `polykey key phrase`.")
    }
    Console.print("")
    Console.print("Recovery phrase: whoever has these 24 words has this identity. Write them down.")
    Console.print("")
    try printPhrase(of: identity)
    Console.print("")
  }

  static func printPhrase(of identity: Identity) throws {
    let phrase = try RecoveryPhrase.encode(identity)
    unsafe phrase.withUnsafeBytes { _ = unsafe Console.write($0, to: 1) }
    Console.print("")
  }
}

/// A passphrase to be set.
enum NewPassphrase {
  /// Bytes below which a passphrase is refused.
  private static let minimum = 8

  static func ask(file: String?) throws -> SecretText {
    if let file = file ?? Environment.all["POLYKEY_PASSPHRASE_FILE"] {
      return try checked(try PassphraseFile.read(file))
    }
    guard Console.hasTerminal else {
      throw Failure(
        .identity, "there is no terminal to ask for a passphrase on: give --passphrase-file or --no-passphrase")
    }
    let passphrase = try checked(try Console.passphrase("New passphrase"))
    let again = try Console.passphrase("The same again")
    guard passphrase.hasSameBytes(as: again) else {
      throw Failure(.identity, "the two passphrases differ: nothing was changed")
    }
    return passphrase
  }

  private static func checked(_ passphrase: SecretText) throws -> SecretText {
    guard passphrase.count >= minimum else {
      throw Failure(.identity, "a passphrase has at least \(minimum) bytes: five or six random words are good")
    }
    return passphrase
  }
}

/// `polykey key`.
struct KeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "Change the passphrase, or export this keynode's keys.",
    subcommands: [ChangePassphrase.self, Export.self, Phrase.self, Show.self])

  struct ChangePassphrase: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "passphrase", abstract: "Change or remove the identity's passphrase.",
      discussion: "Example: polykey key passphrase --new-passphrase-file new.txt")

    @OptionGroup var identity: IdentityOptions
    @Option(help: ArgumentHelp("Read the new passphrase from the first line of a file.", valueName: "file"))
    var newPassphraseFile: String?
    @Flag(help: "Leave the identity unprotected on disk, for this user's eyes only (mode 0600).") var noPassphrase =
      false

    func run() throws {
      let keynode = try identity.keynode()
      try explained {
        let passphrase = noPassphrase ? nil : try NewPassphrase.ask(file: newPassphraseFile)
        try IdentityFile.change(keynode.identity, passphrase: passphrase, at: keynode.paths)
      }
      _ = KernelKeyring(keynode.paths).forget()
      Console.tell(noPassphrase ? "The identity is now unprotected." : "The identity is now under the new passphrase.")
    }
  }

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the signing key as an OpenSSH private key (default), or the age identity.",
      discussion: "Example: polykey key export > signing-key")

    @OptionGroup var identity: IdentityOptions
    @Flag(help: "Print the age identity, which decrypts everything, instead.") var age = false

    func run() throws {
      let keynode = try identity.keynode()
      let text = try explained {
        age ? try IdentityFile.text(of: keynode.identity) : try keynode.identity.openSSHPrivateKey()
      }
      unsafe text.withUnsafeBytes { _ = unsafe Console.write($0, to: 1) }
    }
  }

  struct Phrase: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the recovery phrase: 24 words that are the whole identity.",
      discussion: "Example: polykey key phrase")

    @OptionGroup var identity: IdentityOptions

    func run() throws {
      let keynode = try identity.keynode()
      try explained { try NewKeynode.printPhrase(of: keynode.identity) }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print this keynode's public names: node id, SSH key and age recipient.",
      discussion: "Example: polykey key show")

    @OptionGroup var identity: IdentityOptions

    func run() throws {
      let identity = try identity.keynode().identity
      Console.print("node \(identity.node)")
      Console.print("ssh \(identity.publicKeyLine)")
      Console.print("age \(identity.recipient)")
    }
  }
}

/// `polykey signers`.
struct Signers: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the allowed-signers file with which git verifies a vault's commits.",
    discussion: """
      Example:
        polykey signers prod > signers
        git -C ~/.local/share/polykey/vaults/prod.git -c gpg.ssh.allowedSignersFile=$PWD/signers log --show-signature main
      """)

  @OptionGroup var chosen: VaultOptions

  func run() throws {
    try explained {
      let vault = try chosen.open()
      for node in vault.membership.members.keys.sorted() { Console.print(Identity.allowedSignersLine(of: node)) }
    }
  }
}

/// `polykey unlock`.
struct Unlock: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keep the identity in the kernel's keyring for a while, so that no passphrase is asked for.",
    discussion: "Example: polykey unlock --timeout 3600")

  @OptionGroup var identity: IdentityOptions
  @Option(help: ArgumentHelp("Forget it after this many seconds.", valueName: "seconds")) var timeout: UInt32 = 900

  func validate() throws {
    guard timeout > 0 else { throw ValidationError("--timeout is at least 1 second.") }
  }

  func run() throws {
    let paths = try IdentityOptions.paths()
    try explained {
      guard case .protected(let file) = try IdentityFile.open(at: paths) else {
        Console.tell("The identity has no passphrase: there is nothing to unlock.")
        return
      }
      let identity = try file.identity(passphrase: try identity.passphrase("Passphrase"))
      try KernelKeyring(paths).store(identity, seconds: timeout)
      Console.tell("Unlocked for \(timeout) seconds.")
    }
  }
}

/// `polykey lock`.
struct Lock: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forget the identity that `polykey unlock` keeps; mounts stay.", discussion: "Example: polykey lock")

  func run() throws {
    let forgotten = KernelKeyring(try IdentityOptions.paths()).forget()
    Console.tell(forgotten ? "Locked." : "Nothing was unlocked.")
  }
}
