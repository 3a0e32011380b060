import ArgumentParser
import Glibc
import SecretMemory
import Vault

/// How a command gets at the identity.
struct IdentityOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Read the passphrase from the first line of a file.", valueName: "file"))
  var passphraseFile: String?

  @Option(help: .hidden)
  var identityDescriptor: Int32?

  static func paths() throws -> KeynodePaths {
    // The first of these that is set is taken.
    if let name = ["POLYKEY_HOME", "XDG_DATA_HOME", "HOME"].first(where: {
      Environment.all[$0]?.hasPrefix("/") ?? false
    }) {
      try Environment.requireText(name)
    }
    guard let paths = KeynodePaths(environment: Environment.all) else {
      throw Failure(.failed, "neither POLYKEY_HOME nor HOME is set to an absolute path")
    }
    return paths
  }

  /// The paths of a keynode that is there.
  static func existingPaths() throws -> KeynodePaths {
    let paths = try paths()
    guard Keynode.exists(at: paths) else { throw Failure(VaultError.keynodeMissing(path: paths.home)) }
    return paths
  }

  /// Opens the keynode: the identity comes from a plain file, the kernel's keyring, or a passphrase, in this order.
  func keynode() throws -> Keynode {
    let paths = try IdentityOptions.paths()
    return Keynode(
      at: paths, identity: try identity(at: paths),
      onSetback: { name, setbacks in Console.complain(IdentityOptions.sentence(name, setbacks, at: paths)) })
  }

  /// What is to be said of a repository that went back, or was exchanged.
  private static func sentence(_ name: VaultName, _ setbacks: [Setback], at paths: KeynodePaths) -> String {
    var missing: [String] = []
    for setback in setbacks {
      switch setback {
      case .exchanged(let id):
        return """
          the repository of \(name.text) is another vault's than before, which was \(id.hex.prefix(8)): somebody exchanged it; \
          if that was you, remove \(paths.state)/names/\(name.text)
          """
      case .returned(let node):
        return "in \(name.text) \(Removal.returned([node]))"
      case .members: missing.append("changes of members")
      case .branch(let node, _, let clock): missing.append("what \(node.short) wrote up to version \(clock)")
      }
    }
    return """
      the repository of \(name.text) lacks what this machine has seen (\(missing.joined(separator: ", "))): \
      an older copy was put in its place, so sync with a peer before you write
      """
  }

  func identity(at paths: KeynodePaths) throws -> Identity {
    try explained {
      if let identityDescriptor {
        // Whoever started us writes it when no other process can read it here any more: `Hardening` came first.
        Console.write([0x0A], to: identityDescriptor)
        let secret = try Console.readSecret(from: identityDescriptor, limit: 4096)
        close(identityDescriptor)
        return try IdentityFile.parse(secret)
      }
      let stored = try IdentityFile.open(at: paths)
      KeynodePrivacy.warn(paths)
      switch stored {
      case .plain(let identity): return identity
      case .protected(let file):
        if passphraseFile == nil, let identity = try KernelKeyring(paths).identity() { return identity }
        return try file.identity(passphrase: try passphrase("Passphrase"))
      }
    }
  }

  /// The passphrase from --passphrase-file, $POLYKEY_PASSPHRASE_FILE or the terminal.
  func passphrase(_ prompt: String) throws -> SecretText {
    if let file = passphraseFile ?? Environment.all["POLYKEY_PASSPHRASE_FILE"] {
      try Environment.requireText("POLYKEY_PASSPHRASE_FILE")
      return try PassphraseFile.read(file)
    }
    return try Console.passphrase(prompt)
  }
}

extension Keynode {
  /// Fails where nothing can be written: before others are asked for what could not be kept.
  func requireWritable() throws {
    guard unsafe access(paths.home, W_OK) == 0 else {
      throw Failure(.failed, "the keynode at \(paths.home) cannot be written: \(ErrorNumber.text(errno))")
    }
  }
}

/// A file whose first line is a passphrase.
enum PassphraseFile {
  static func read(_ path: String) throws -> SecretText {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Failure(.identity, "cannot read the passphrase file \(path): \(ErrorNumber.text(errno))")
    }
    defer { close(descriptor) }
    let passphrase = try Console.readSecretLine(from: descriptor)
    guard passphrase.count > 0 else { throw Failure(.identity, "the passphrase file \(path) is empty") }
    return passphrase
  }
}

/// The process's environment.
enum Environment {
  static let all: [String: String] = {
    var all: [String: String] = [:]
    var next = unsafe environ
    while let entry = unsafe next.pointee {
      let text = unsafe String(cString: entry)
      if let equals = text.firstIndex(of: "=") {
        all[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      unsafe next += 1
    }
    return all
  }()

  /// Refuses a variable whose value is not UTF-8, as another file than the one named would be meant.
  static func requireText(_ name: String) throws {
    guard let value = unsafe getenv(name) else { return }
    _ = try unsafe Arguments.systemText(value, "the path in \(name)")
  }
}
