import Foundation
import TestSupport
import Testing

/// Files whose names look temporary: some are a person's secrets, some are on their way to replace one.
@Suite("Legacy programs: temporary files") struct TemporaryFileTests {
  /// Names that people and Ansible give to what they mean to keep, and that editors and file systems give to what they do not.
  private static let names = [
    "id_rsa~", "vault-pass.swp", "4913", ".nfs-credentials", "key.4711.2026-11-28@10:00:00~", "#notes#", ".#draft",
    ".goutputstream-ABCDEF", "notes.tmp", ".env.backup", ".secret.Xa91bc",
  ]

  @Test func `files that are moved or copied in under such names are there after a remount`() throws {
    let installation = try Installation()
    try installation.mount()
    let outside = installation.directory("outside")
    try Program.check(["mkdir", outside])
    for (index, name) in TemporaryFileTests.names.enumerated() {
      try Data("secret \(index)\n".utf8).write(to: URL(fileURLWithPath: "\(outside)/\(name)"))
    }
    try installation.shell(
      """
      mkdir copied synced moved
      cp "$FROM"/.[!.]* "$FROM"/* copied
      cp "$FROM"/.[!.]* "$FROM"/* synced; for f in synced/.[!.]* synced/*; do sync "$f"; done
      ln -s user@host.1 '.#left'
      mv "$FROM"/.[!.]* "$FROM"/* moved
      """, environment: ["FROM": outside])
    try installation.unmount()
    try installation.mount()
    for folder in ["copied", "synced", "moved"] {
      for (index, name) in TemporaryFileTests.names.enumerated() {
        #expect(
          try installation.shell("cat \"$NAME\"", environment: ["NAME": "\(folder)/\(name)"]).text == "secret \(index)")
      }
    }
    #expect(try installation.shell("readlink '.#left'").text == "user@host.1")
    // The command line means the name that it is given.
    try installation.polykey("set", "default:other~", input: "1")
    #expect(try installation.polykey("get", "default:other~").text == "1")
  }

  @Test func `such a file that nobody has open is stored while the mount goes on`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("echo 1 > id_rsa~")
    #expect(try poll(seconds: 60) { try installation.pathsInHistory().contains("id_rsa~") })
    #expect(try installation.polykey("get", "default:id_rsa~").text == "1")
  }

  /// How programs that save carefully name the new file: KeePassXC and Qt, write-file-atomic, Python, Go, vim, rsync, GNOME, and others.
  static let schemes = [
    "vault.kdbx.h4Gd7a", "vault.kdbx.4067237581", "tmpk3v9x_2a", ".tmpk3v9x_2a", ".vault.kdbx4067237581", "vault.kdbx~",
    ".vault.kdbx.h4Gd7a", ".goutputstream-H4GD7A", "vault.kdbx.tmp", "vault.kdbx.new", "#vault.kdbx#",
    "vault.kdbx.tmp.1234",
    "vault.kdbx-h4Gd7a", ".#vault.kdbx", "tmp.h4Gd7aX2bq", "vault.tmp.kdbx",
  ]

  @Test(arguments: schemes)
  func `a save by fsync and rename is one version, and its temporary name is in none`(name: String) throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("echo 0 > vault.kdbx")
    try installation.python(TemporaryFileTests.save, name, "2")
    #expect(try installation.versions(of: "vault.kdbx") == ["M vault.kdbx", "M vault.kdbx", "A vault.kdbx"])
    #expect(try installation.polykey("show", "default:vault.kdbx@~1").text == "1")
    try installation.unmount()
    #expect(try installation.pathsInHistory() == ["vault.kdbx"] && installation.commitCount() == 3)
    #expect(try FileManager.default.contentsOfDirectory(atPath: installation.kept) == [])
  }

  @Test func `what such a save made durable outlives the mount's process, before the rename and after it`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("echo 0 > secret")
    try installation.python(
      """
      import os
      fd = os.open("secret.h4Gd7a", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
      os.write(fd, b"kept"); os.fsync(fd); os.close(fd)
      """)
    try installation.python(TemporaryFileTests.save.replacing("vault.kdbx", by: "secret"), "secret.Xb71qe", "1")
    #expect(try FileManager.default.contentsOfDirectory(atPath: installation.kept).count == 1)
    let process = try installation.mountProcess()
    #expect(Foundation.kill(process.identifier, SIGKILL) == 0)
    process.waitForEnd()
    try installation.mount()
    #expect(try installation.shell("ls -A; cat secret secret.h4Gd7a").text == "secret\nsecret.h4Gd7a\n1kept")
    #expect(try installation.shell("stat -c %a secret secret.h4Gd7a").text == "644\n600")
    try installation.unmount()
    #expect(try installation.pathsInHistory() == ["secret", "secret.h4Gd7a"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: installation.kept) == [])
  }

  @Test func `GnuPG's locks are no versions`() throws {
    let installation = try Installation()
    try installation.mount()
    // GnuPG's sockets have paths of at most 107 bytes: it is given a short one.
    let home = "/tmp/pk\(UInt32.random(in: 0...UInt32.max))"
    try Program.check(["ln", "-s", "\(installation.vaultDirectory)/gnupg", home])
    defer { try? FileManager.default.removeItem(atPath: home) }
    try installation.shell(
      """
      mkdir -m 700 gnupg
      trap 'gpgconf --homedir "$GNUPG" --kill all' EXIT
      gpg --homedir "$GNUPG" --batch --quiet --passphrase '' --quick-generate-key test@example.org ed25519 sign never
      gpg --homedir "$GNUPG" --batch --list-keys
      echo 1 | gpg --homedir "$GNUPG" --batch --quiet --local-user test@example.org --sign > signed
      """, environment: ["GNUPG": home])
    try installation.unmount()
    let paths = try installation.pathsInHistory()
    #expect(paths.contains("gnupg/pubring.kbx") && paths.contains("signed"))
    #expect(paths.filter { $0.contains(".#lk") || $0.hasSuffix(".lock") } == [], "\(paths)")
  }

  /// Writes `argv[1]` and renames it over `vault.kdbx`, as often as `argv[2]` says.
  private static let save = """
    import os, sys
    for number in range(int(sys.argv[2])):
        fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, b"%d" % (number + 1)); os.fsync(fd); os.fchmod(fd, 0o644); os.close(fd)
        os.rename(sys.argv[1], "vault.kdbx")
        directory = os.open(".", os.O_RDONLY); os.fsync(directory); os.close(directory)
    """
}

extension String {
  fileprivate func replacing(_ text: String, by other: String) -> String {
    replacingOccurrences(of: text, with: other)
  }
}

extension Installation {
  /// Where the vault `default` keeps files beside its versions.
  fileprivate var kept: String {
    get throws {
      let state = "\(home)/state"
      let vaults = try FileManager.default.contentsOfDirectory(atPath: state)
      guard let vault = vaults.first(where: { FileManager.default.fileExists(atPath: "\(state)/\($0)/kept") }) else {
        throw Program.Failure(description: "nothing was ever kept")
      }
      return "\(state)/\(vault)/kept"
    }
  }
}
