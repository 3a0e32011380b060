import Glibc
import Vault

/// Where a vault goes that this node is about to join: looked at before it is admitted, as far as it can be known then.
struct NewcomersPlace {
  private let keynode: Keynode

  init(_ keynode: Keynode) { self.keynode = keynode }

  /// Throws a ``Failure`` if `name` is another vault's, so that none of `inviter`'s can have it.
  func check(_ name: VaultName, inviter: NodeID) throws {
    guard try Keynode.vaults(at: keynode.paths).contains(name) else { return }
    // That vault may be the one, fetched in part, or left.
    if let vault = try? keynode.openVault(name), vault.role == nil || vault.membership.members[inviter] != nil {
      return
    }
    throw Failure(.exists, "there is a vault \(name.text) already: give another --name")
  }

  /// Throws a ``Failure`` if the disk is so full that nothing of others is taken.
  func requireRoom() throws {
    var status = statvfs()
    guard unsafe statvfs(keynode.paths.home, &status) == 0, status.f_blocks > 0 else { return }
    let block = UInt64(status.f_frsize)
    // What small updates must leave (GitStore), and some MiB for the vault itself.
    let needed = min(64 << 20, UInt64(status.f_blocks) * block / 20) + 4 << 20
    guard UInt64(status.f_bavail) * block >= needed else {
      throw Failure(.noSpace, "the disk of \(keynode.paths.home) has too little room left for another vault")
    }
  }

  /// Throws a ``Failure`` if nothing can be mounted at `path`.
  func checkMountPoint(_ path: String) throws {
    let directory = try MountPoint.absolute(path)
    for record in MountRecord.all(of: keynode.paths) where record.isAlive && record.directory == directory {
      throw Failure(.mount, "\(directory): something else of yours is mounted there: see `polykey status`")
    }
    var status = stat()
    if unsafe stat(directory, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure(.mount, "\(directory): not a directory") }
      return
    }
    let parent = directory.split(separator: "/").dropLast().joined(separator: "/")
    guard unsafe access("/\(parent)", W_OK | X_OK) == 0 else {
      throw Failure(.mount, "\(directory): cannot be made: \(ErrorNumber.text(errno))")
    }
  }

  /// What the vault `id` is called here: as it is already, as the user wants, or as the inviter suggests; with a number if that is another
  /// vault's.
  ///
  /// Throws a ``Failure`` if the user wants another name than it has here.
  func name(for id: VaultID, wanted: VaultName?, suggested: String) throws -> VaultName {
    let taken = try Keynode.vaults(at: keynode.paths)
    if let here = taken.first(where: { (try? keynode.openVault($0))?.id == id }) {
      guard wanted == nil || wanted == here else {
        throw Failure(.exists, "that vault is here already, as \(here.text)")
      }
      return here
    }
    let base = try wanted ?? (try? VaultName(suggested)) ?? VaultName("vault")
    if !taken.contains(base) { return base }
    for number in 2..<1000 {
      let name = try VaultName("\(base.text.prefix(90))-\(number)")
      if !taken.contains(name) { return name }
    }
    throw VaultError.vaultExists
  }
}
