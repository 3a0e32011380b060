import ArgumentParser
import FuseMount
import Glibc
import PeerSync
import Vault

/// `polykey mount`.
struct MountVaults: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount", abstract: "Mount every vault below a directory, or one vault at a directory.",
    discussion: """
      It returns when the vaults are there, and goes on in the background until `polykey unmount`.

      Options of -o: ro, allow_other, nosuid, suid, nodev, dev, noexec, exec, noatime, nonempty, and no_cache (the kernel keeps nothing).

      Examples:
        polykey mount ~/polykey
        polykey mount prod /srv/prod --read-only
        polykey mount ~/polykey --listen 0.0.0.0:7420
      """)

  @OptionGroup var identity: IdentityOptions
  @Argument(help: ArgumentHelp("The vault and the directory, or the directory alone.", valueName: "vault] [directory"))
  var names: [String]
  @Flag(help: "Stay in the foreground, for supervisors; SIGTERM unmounts.") var foreground = false
  @Flag(help: "Refuse all changes.") var readOnly = false
  @Option(name: .customShort("o"), help: ArgumentHelp("Mount options, separated by commas.", valueName: "option,…"))
  var options: [String] = []
  @OptionGroup var peers: PeerOptions
  @Option(help: .hidden) var readyDescriptor: Int32?

  func validate() throws {
    guard 1...2 ~= names.count else { throw ValidationError("Give a directory, or a vault and a directory.") }
  }

  func run() throws { try run { try identity.keynode() } }

  /// Mounts, with a keynode that is opened when it is needed.
  func run(with open: () throws -> Keynode) throws {
    try explained {
      let vault = names.count == 2 ? try VaultName(names[0]) : nil
      let directory = try MountPoint.absolute(names[names.count - 1])
      let request = MountRequest(
        vault: vault, directory: directory, options: try mountOptions(), listen: try peers.addresses(),
        isOffline: peers.offline)
      if let readyDescriptor { return try serve(request, readyDescriptor) }
      let paths = try IdentityOptions.paths()
      if try MountPoint.isMounted(request, at: paths) {
        Console.tell("already mounted at \(directory)")
        return
      }
      try MountPoint.prepare(directory)
      let keynode = try open()
      if let vault { _ = try keynode.openVault(vault) }
      if foreground {
        try MountService.run(request, keynode: keynode) { $0.forEach(Console.complain) }
      } else {
        try BackgroundMount.start(request, arguments: names.dropLast() + [directory] + flags, keynode: keynode)
      }
    }
  }

  /// Serves in the background; who started it waits on `readyDescriptor` for the mount, or for why there is none.
  private func serve(_ request: MountRequest, _ readyDescriptor: Int32) throws {
    var isReady = false
    do {
      try explained {
        let keynode = try identity.keynode()
        MountLog.begin(at: keynode.paths)
        try MountService.run(request, keynode: keynode) { missing in
          isReady = true
          Readiness.tell(missing, on: readyDescriptor)
        }
      }
    } catch let failure as Failure where !isReady {
      Readiness.tell(failure, on: readyDescriptor)
      throw ExitCode(failure.status.rawValue)
    }
  }

  private func mountOptions() throws -> MountOptions {
    var mountOptions = MountOptions()
    do throws(MountError) {
      for list in options {
        for option in list.split(separator: ",") {
          if option == "no_cache" { mountOptions.kernelCache = false } else { try mountOptions.add(String(option)) }
        }
      }
    } catch {
      throw Failure(.usage, "\(error)")
    }
    if readOnly { mountOptions.readOnly = true }
    return mountOptions
  }

  private var flags: [String] { (readOnly ? ["--read-only"] : []) + options.flatMap { ["-o", $0] } + peers.flags }
}

/// `polykey unmount`.
struct Unmount: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Unmount a directory; when it returns, every version is on disk.",
    discussion: "Example: polykey unmount ~/polykey")

  @Argument(help: "The directory.") var directory: String
  @Flag(help: "Unmount even if programs have files open there; it vanishes when they close them.") var lazy = false

  func run() throws {
    let directory = try MountPoint.absolute(directory)
    let records = MountRecord.all(of: try IdentityOptions.paths()).filter { $0.directory == directory }
    do {
      try Unmounting.unmount(directory, lazy: lazy)
    } catch {
      throw Failure(.mount, "\(directory): \(error)")
    }
    if !lazy { for record in records { record.waitForEnd() } }
  }
}

/// `polykey status`.
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the keynode, its vaults and where they are mounted.", discussion: "Example: polykey status --json")

  @Flag(help: "Print JSON objects, one a line.") var json = false

  func run() throws {
    let paths = try IdentityOptions.paths()
    try explained {
      guard Keynode.exists(at: paths) else { throw VaultError.keynodeMissing(path: paths.home) }
      let stored = try IdentityFile.open(at: paths)
      KeynodePrivacy.warn(paths)
      let isProtected = if case .protected = stored { true } else { false }
      let isUnlocked = isProtected ? try KernelKeyring(paths).identity() != nil : true
      let mounts = MountRecord.all(of: paths).filter(\.isAlive)
      if json {
        Console.print(
          JSON.object([
            ("keynode", .string(paths.home)), ("passphrase", .flag(isProtected)), ("unlocked", .flag(isUnlocked)),
          ]))
      } else {
        Console.print("keynode \(paths.home)")
        Console.print(
          "identity \(isProtected ? (isUnlocked ? "under a passphrase, unlocked" : "under a passphrase, locked") : "without a passphrase")"
        )
      }
      for vault in Removal.vaults(at: paths) { Console.tell(Removal.sentence(vault)) }
      let warnings = Removal.warnings(at: paths)
      for (vault, sentences) in warnings.sorted(by: { $0.key.text < $1.key.text }) {
        for sentence in sentences { Console.complain("\(vault.text): \(sentence)") }
      }
      for vault in try Keynode.vaults(at: paths) {
        let places = mounts.compactMap { mount in
          mount.vault == nil ? "\(mount.directory)/\(vault.text)" : mount.vault == vault.text ? mount.directory : nil
        }
        if json {
          Console.print(
            JSON.object([
              ("vault", .string(vault.text)), ("mounted", .list(places.map { .string($0) })),
              ("warnings", .list((warnings[vault] ?? []).map { .string($0) })),
            ]))
        } else {
          Console.print(
            "vault \(vault.text)\(places.isEmpty ? ": not mounted" : ": mounted at \(places.joined(separator: ", "))")")
        }
      }
    }
  }
}
