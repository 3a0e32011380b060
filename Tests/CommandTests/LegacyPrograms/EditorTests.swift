import TestSupport
import Testing

/// vim, nano and sed save in different ways: in place, or into a new file that is renamed; with a backup or without.
///
/// To their user each save is one version of one secret, and swap and backup files are none.
@Suite("Legacy programs: editors") struct EditorTests {
  struct VimOptions: CustomTestStringConvertible {
    let backupCopy: String
    let backup: String
    var testDescription: String { "backupcopy=\(backupCopy) \(backup)" }
  }

  static let vimOptions = ["yes", "no", "auto"].flatMap { copy in
    ["backup", "nobackup writebackup", "nobackup nowritebackup"].map { VimOptions(backupCopy: copy, backup: $0) }
  }

  @Test(arguments: vimOptions)
  func `vim makes one version at each save, and none of its swap and backup files`(options: VimOptions) throws {
    let installation = try EditorTests.installation()
    try installation.shell(
      """
      vim.tiny -u NONE -N -es -c 'set swapfile backupskip= backupcopy=\(options.backupCopy) \(options.backup)' \
        -c 's/one/two/' -c w -c 's/two/three/' -c wq secret
      """)
    #expect(try installation.shell("cat secret; stat -c %a secret").text == "three\n640")
    #expect(try installation.versions(of: "secret") == ["M secret", "M secret", "A secret"])
    #expect(try installation.polykey("show", "default:secret@~1").text == "two")
    try EditorTests.expectSecretOnly(installation, besides: options.backup == "backup" ? ["secret~"] : [])
    // A backup is a file of its own, which becomes one version some seconds after vim has closed it.
    #expect(try installation.shell("ls -A").text == (options.backup == "backup" ? "secret\nsecret~" : "secret"))
  }

  @Test(arguments: ["", "--backup", "--locking", "--backup --locking"])
  func `nano makes one version at each save, and none of its lock and backup files`(options: String) throws {
    let installation = try EditorTests.installation()
    try installation.python(EditorTests.driveNano, "--ignorercfiles " + options)
    #expect(try installation.shell("cat secret; stat -c %a secret").text == "two three one\n640")
    #expect(try installation.versions(of: "secret") == ["M secret", "M secret", "A secret"])
    #expect(try installation.polykey("show", "default:secret@~1").text == "three one")
    try EditorTests.expectSecretOnly(installation)
  }

  @Test func `sed -i makes one version, and a backup that was asked for by name is a secret`() throws {
    let installation = try EditorTests.installation()
    try installation.shell("sed -i s/one/two/ secret")
    #expect(try installation.versions(of: "secret") == ["M secret", "A secret"])
    try EditorTests.expectSecretOnly(installation)
    try installation.shell("sed -i.old s/two/three/ secret")
    let both = try installation.shell("cat secret secret.old; stat -c %a secret secret.old").text
    #expect(both == "three\ntwo\n640\n640")
    for (back, content) in ["three", "two", "two", "one"].enumerated() {
      #expect(try installation.polykey("show", "default:secret@~\(back)").text == content)
    }
    #expect(try installation.pathsInHistory() == ["secret", "secret.old"])
  }

  /// A mounted vault with one secret of one line.
  private static func installation() throws -> Installation {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("umask 027; echo one > secret")
    return installation
  }

  private static func expectSecretOnly(_ installation: Installation, besides backups: Set<String> = []) throws {
    let paths = try installation.pathsInHistory()
    #expect(paths.subtracting(backups) == ["secret"])
    var others = 0
    for path in paths.intersection(backups) { others += try installation.versions(of: path).count }
    let count = try installation.commitCount()
    #expect(try installation.versions(of: "secret").count == count - others)
  }

  /// Types into nano on a terminal of its own (text, save, text, save, exit), each step when nano shows the last.
  private static let driveNano = """
    import os, pty, select, sys, time
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("nano", ["nano"] + sys.argv[1].split() + ["secret"])
    def expect(text):
        seen, deadline = b"", time.monotonic() + 60
        while text not in seen:
            if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]: sys.exit(f"nano shows {seen}")
            seen += os.read(terminal, 4096)
    expect(b"Read 1 line")
    for text in b"three ", b"two ":
        os.write(terminal, b"\\x01" + text + b"\\x0f")
        expect(b"to Write")
        os.write(terminal, b"\\r")
        expect(b"Wrote 1 line")
    os.write(terminal, b"\\x18")
    while True:
        try:
            if not os.read(terminal, 4096): break
        except OSError: break
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    """
}
