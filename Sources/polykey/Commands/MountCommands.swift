import ArgumentParser
import CLinux
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
      if try EarlierMounts.isMounted(request, at: paths) { return Console.tell("already mounted at \(directory)") }
      try MountPoint.with(directory) {
        let keynode = try open()
        if let vault { _ = try keynode.openVault(vault) }
        tellUnsaved(request, at: paths)
        if foreground { return try MountService.run(request, keynode: keynode) { $0.forEach(Console.complain) } }
        do {
          try BackgroundMount.start(
            request, arguments: names.dropLast() + [directory] + flags, keynode: keynode)
        } catch let failure as Failure where failure.status == .mount {
          // Another command may have been faster.
          guard try EarlierMounts.isMounted(request, at: paths) else { throw failure }
          Console.tell("already mounted at \(directory)")
        }
      }
    }
  }

  /// Tells what an earlier mount there could not store, once.
  private func tellUnsaved(_ request: MountRequest, at paths: KeynodePaths) {
    for (record, failure, time) in MountRecord.unsaved(of: paths) where record.directory == request.directory {
      let mount = "the mount that ended at \(Dates.local(time))"
      Console.complain("\(mount) lost changes that it could not store: \(failure.sentence)")
      record.forget()
    }
  }

  /// Serves in the background; who started it waits on `readyDescriptor` for the mount, or for why there is none.
  private func serve(_ request: MountRequest, _ readyDescriptor: Int32) throws {
    // It was started as /proc/self/exe, and would be called `exe`.
    _ = unsafe clinux_set_name("polykey")
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
    discussion: """
      Changes that cannot be stored keep it from being unmounted. A mount that others still hold (a bind mount, a container) goes on for them; \
      all is stored, and it is told who they are.

      Example: polykey unmount ~/polykey
      """)

  @Argument(help: "The directory.") var directory: String
  @Flag(help: "Unmount even if programs have files open there; it vanishes when they close them.") var lazy = false
  @Flag(help: "Unmount even if changes cannot be stored; they are lost.") var discard = false

  func run() throws {
    try Unmounter(
      try MountPoint.absolute(directory), lazy: lazy, discards: discard, at: try IdentityOptions.paths()
    ).run()
  }
}
