import ArgumentParser
import Vault
import VirtualFS

/// `polykey export`.
struct ExportVault: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a vault's files, decrypted, into a new directory.",
    discussion: """
      The directory is made, or is empty and yours. Files are yours alone; what others may do with them, set-id bits, devices, and extended attributes other than user.* are left \
      out, because every writer of the vault can have put them there. With --full they are written too, and as root the stored owners. What \
      is left out is printed, one line each. The exit status is 6 if something is damaged.

      Example: polykey export prod /mnt/disk/prod
      """)

  @OptionGroup var chosen: VaultOptions
  @Argument(help: "The directory.") var directory: String
  @Flag(help: "Also modes in full, devices and all attributes, and as root owners: of a vault whose writers you trust.")
  var full = false

  func run() throws {
    try explained {
      let vault = try chosen.open()
      let nodes = try VaultBacking(vault).nodes()
      let tree = ExportedTree(of: vault, in: try ExportDirectory(directory), isFull: full)
      try tree.write(nodes) { path, omission in Console.print(path: path, "  \(omission.sentence)") }
      let count = tree.damagedCount
      guard count == 0 else {
        throw Failure(.damaged, "\(count) \(count == 1 ? "file is" : "files are") damaged: run `polykey verify`")
      }
      guard tree.failureCount == 0 else {
        throw Failure(.failed, "\(directory): not everything could be written")
      }
    }
  }
}
