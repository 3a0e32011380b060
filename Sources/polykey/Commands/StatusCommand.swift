import ArgumentParser
import Vault

/// `polykey status`.
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the keynode, its vaults and where they are mounted.",
    discussion: """
      If a mount has changes that it cannot store, or had when it ended, the exit status says why: 8 for a full disk, say.

      Example: polykey status --json
      """)

  @Flag(help: "Print JSON objects, one a line.") var json = false

  func run() throws {
    let paths = try IdentityOptions.paths()
    try explained {
      guard Keynode.exists(at: paths) else { throw VaultError.keynodeMissing(path: paths.home) }
      try showKeynode(at: paths)
      for vault in Removal.vaults(at: paths) { Console.tell(Removal.sentence(vault)) }
      let warnings = Removal.warnings(at: paths)
      for (vault, sentences) in warnings.sorted(by: { $0.key.text < $1.key.text }) {
        for sentence in sentences { Console.complain("\(vault.text): \(sentence)") }
      }
      let mounts = MountRecord.all(of: paths).filter(\.isAlive).compactMap { record in
        record.condition.map { LivingMount(record, $0) }
      }
      let twins = Keynode.twins(at: paths)
      for vault in try Keynode.vaults(at: paths) {
        show(vault, mounts, twin: twins[vault], warnings: warnings[vault] ?? [])
      }
      try tellTroubles(mounts, at: paths)
    }
  }

  private func showKeynode(at paths: KeynodePaths) throws {
    let stored = try IdentityFile.open(at: paths)
    KeynodePrivacy.warn(paths)
    let isProtected = if case .protected = stored { true } else { false }
    let isUnlocked = isProtected ? try KernelKeyring(paths).identity() != nil : true
    if json {
      Console.print(
        JSON.object([
          ("keynode", .string(paths.home)), ("passphrase", .flag(isProtected)), ("unlocked", .flag(isUnlocked)),
        ]))
    } else {
      let state =
        isProtected ? "under a passphrase, \(isUnlocked ? "unlocked" : "locked")" : "without a passphrase"
      Console.print("keynode \(paths.home)")
      Console.print("identity \(state)")
    }
  }

  private func show(_ vault: VaultName, _ mounts: [LivingMount], twin: VaultName?, warnings: [String]) {
    let places = mounts.filter(\.isServed).compactMap { $0.place(of: vault) }
    if json {
      return Console.print(
        JSON.object([
          ("vault", .string(vault.text)), ("mounted", .list(places.map { .string($0) })),
          ("sameAs", twin.map { .string($0.text) } ?? .null), ("warnings", .list(warnings.map { .string($0) })),
        ]))
    }
    if let twin {
      return Console.print("vault \(vault.text): the same vault as \(twin.text), which is used; remove this one")
    }
    let mounted = places.isEmpty ? "not mounted" : "mounted at \(places.joined(separator: ", "))"
    Console.print("vault \(vault.text): \(mounted)")
  }

  /// Tells of mounts that are not as they should be.
  ///
  /// - Throws: a ``Failure`` if changes are not stored.
  private func tellTroubles(_ mounts: [LivingMount], at paths: KeynodePaths) throws {
    var failures: [Failure] = []
    for mount in mounts {
      if let trouble = mount.trouble { Console.tell(trouble) }
      guard let failure = mount.condition.failure else { continue }
      let place = "the mount at \(mount.record.directory), process \(mount.record.process)"
      failures.append(Failure(failure.status, "\(place): changes are not stored: \(failure.sentence)"))
    }
    for (record, failure, time) in MountRecord.unsaved(of: paths) {
      let mount = "the mount at \(record.directory) that ended at \(Dates.local(time))"
      failures.append(
        Failure(failure.status, "\(mount) lost changes that it could not store: \(failure.sentence)"))
    }
    guard let last = failures.last else { return }
    for failure in failures.dropLast() { Console.complain(failure.sentence) }
    throw last
  }
}

/// A mount whose process lives, and how it is.
private struct LivingMount {
  let record: MountRecord
  let condition: MountRecord.Condition
  private let standing: EarlierMounts.Standing

  init(_ record: MountRecord, _ condition: MountRecord.Condition) {
    self.record = record
    self.condition = condition
    standing = EarlierMounts.standing(of: record, condition)
  }

  var isServed: Bool { if case .served = standing { true } else { false } }

  /// Where it shows a vault; nil if it does not.
  func place(of vault: VaultName) -> String? {
    guard let shown = record.vault else { return "\(record.directory)/\(vault.text)" }
    return shown == vault.text ? record.directory : nil
  }

  /// What is unusual about it; nil if nothing is.
  var trouble: String? {
    let mount = "the mount at \(record.directory), process \(record.process)"
    switch standing {
    case .served, .starting, .unsaved: return nil
    case .ending: return "\(mount), is ending"
    case .covered: return "\(mount), has something else mounted over it"
    case .detached:
      let holders = EarlierMounts.holders(of: condition.device, server: record.process)
      return "\(mount), was taken away there and is still in use\(holders.isEmpty ? "" : " by \(holders)")"
    }
  }
}
