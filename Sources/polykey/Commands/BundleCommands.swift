import ArgumentParser
import GitStore
import Glibc
import Vault

/// `polykey bundle`.
struct WriteBundle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bundle", abstract: "Write a vault to a file, for another keynode's `polykey apply`.",
    discussion: """
      For machines without a network between them. The file is a stock git bundle, in which all is encrypted as in the vault; a whole one can be \
      cloned by git. With --since it has only what is newer than a version that the other side has.

      Examples:
        polykey bundle prod /media/stick/prod.bundle
        polykey bundle prod /media/stick/prod.bundle --since 1f2e3d4c
      """)

  @OptionGroup var chosen: VaultOptions
  @Argument(help: "The file; it is replaced.") var file: String
  @Option(help: ArgumentHelp("A version of `polykey log` that the other side has, or all.", valueName: "version"))
  var since = "all"

  func run() throws {
    try explained {
      let vault = try chosen.open()
      let version = since == "all" ? nil : try VersionHistory(of: vault).version(named: since)
      let output = try ReplacedFile(file)
      let progress = ProgressLine()
      var failure: Failure?
      var byteCount: UInt64 = 0
      let written: GitBundle.Header?
      do {
        written = try progress.during {
          try VaultExchange(vault).writeBundle(since: version) { bytes throws(GitError) in
            do throws(Failure) {
              try output.write(bytes)
            } catch {
              failure = error
              throw .cancelled
            }
            byteCount += UInt64(bytes.count)
            progress.note(.outgoing) { $0.set("writing", byteCount: byteCount) }
          }
        }
      } catch {
        throw failure ?? error
      }
      guard written != nil else {
        throw Failure(.failed, "there is nothing newer than that version: no bundle was written")
      }
      try output.finish()
    }
  }
}

/// `polykey apply`.
struct ApplyBundle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Take what another keynode wrote with `polykey bundle`.",
    discussion: """
      All in it is verified as if it came from a peer, and what does not hold is refused: then the exit status is 6. Where there is no vault of \
      that name it is made, if this keynode is a member of the bundle's.

      Example: polykey apply prod /media/stick/prod.bundle
      """)

  @OptionGroup var chosen: VaultOptions
  @Argument(help: "The file.") var file: String

  func run() throws {
    try explained {
      let vault = try open(try chosen.name(), try chosen.identity.keynode())
      let bundle = try VaultExchange(vault).receiveBundle()
      let verdict = try reading(
        "it builds on versions that are not here: have it written with an earlier --since, or all"
      ) {
        try taking { bytes in
          try bundle.feed(bytes)
        } thenVerifying: {
          try bundle.finish()
        }
      }
      _ = try vault.redoLostActs()
      try vault.finish()
      try VerdictReport.show(verdict)
    }
  }

  /// The vault, made if it is not there yet.
  private func open(_ name: VaultName, _ keynode: Keynode) throws -> Vault {
    do {
      return try keynode.openVault(name)
    } catch VaultError.vaultMissing {
      // It is read twice, which a pipe cannot be.
      if InputFile.isPipe(file) {
        throw Failure(
          .failed, "\(file): there is no vault \(name.text) here, and it is made of a file only, not of a pipe")
      }
      let clone = try BundleClone(as: name, at: keynode)
      let vault = try reading(
        "it is not whole, and there is no vault \(name.text) here: have it written without --since"
      ) {
        try taking { bytes in
          try clone.feed(bytes)
        } thenVerifying: {
          try clone.finish()
        }
      }
      Console.tell("made the vault \(name.text), whose id is \(vault.id.hex)")
      return vault
    }
  }

  /// Has `body` take the file, and shows how far it is.
  private func taking<R>(_ body: ([UInt8]) throws -> Void, thenVerifying finish: () throws -> R) throws -> R {
    let progress = ProgressLine()
    return try progress.during {
      var byteCount: UInt64 = 0
      let input = try InputFile(file)
      try input.read { bytes in
        try body(bytes)
        byteCount += UInt64(bytes.count)
        progress.note(.incoming) { $0.set("reading", byteCount: byteCount, of: input.size) }
      }
      progress.note(.incoming) { $0.set("verifying") }
      return try finish()
    }
  }

  /// Runs `body`, which reads the file; `incomplete` is what to say if the file needs what is not here.
  private func reading<R>(_ incomplete: String, _ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch VaultError.notAMember {
      throw Failure(.identity, "\(file): this keynode is no member of its vault: have an owner admit it first")
    } catch VaultError.repository(.missing) {
      throw Failure(.missing, "\(file): \(incomplete)")
    } catch VaultError.repository(let error) {
      switch error {
      case .packMalformed, .packTooLarge, .bundleMalformed, .bundleUnsupported:
        throw Failure(.damaged, "\(file): \(error.sentence)")
      default: throw VaultError.repository(error)
      }
    }
  }
}

/// Tells what became of what others wrote.
enum VerdictReport {
  /// - Throws: a ``Failure`` if something was refused.
  static func show(_ verdict: Verdict, from source: String = "") throws {
    let refused = verdict.refused.sorted { $0.key < $1.key }
    let of = source.isEmpty ? "" : "\(source): "
    // That members are alive is no news.
    let moved = verdict.moved.keys.filter { BranchName.acknowledging($0) == nil }.sorted()
    let count = moved.count
    if count > 0 || refused.isEmpty {
      Console.tell("\(of)\(count == 0 ? "nothing new" : "\(count) \(count == 1 ? "branch" : "branches") moved")")
    }
    for branch in moved { Console.print(branch) }
    guard let last = refused.last else { return }
    for (branch, reason) in refused.dropLast() { Console.complain("\(of)refused \(branch): \(reason)") }
    throw Failure(.damaged, "\(of)refused \(last.key): \(last.value)")
  }
}
