import Foundation
import TestSupport
import Testing

/// `polykey export`: a vault's files as plain ones, in a new directory and nowhere else.
@Suite("Export") struct ExportTests {
  /// A keynode whose vault has a tree of every kind of file.
  private func installation() throws -> (Installation, manifest: String) {
    let installation = try Installation()
    try installation.mount("-o", "dev,suid")
    try Tree.build(in: installation.vaultDirectory)
    let manifest = try Tree.manifest(of: installation.vaultDirectory)
    try installation.unmount()
    return (installation, manifest)
  }

  @Test func `everything is written as it was with --full, and nothing is left out`() throws {
    let (installation, manifest) = try installation()
    let target = installation.directory("out")
    let export = try installation.polykey("export", "default", target, "--full")
    #expect(export.text == "" && export.errors == "")
    // The directory itself is the caller's.
    let withoutRoot = { (text: String) in text.split(separator: "\n").dropFirst().joined(separator: "\n") }
    Tree.expectSame(withoutRoot(try Tree.manifest(of: target)), withoutRoot(manifest))
    // Holes stay holes.
    let blocks = try Program.check(["stat", "-c", "%b", "\(target)/sparse"]).text
    #expect(try #require(Int(blocks)) < 9 * 2048)
  }

  @Test(.enabled(if: geteuid() == 0))
  func `by default owners, set-id bits, devices and attributes are left out, and told`()
    throws
  {
    let installation = try Installation()
    try installation.mount("-o", "dev,suid")
    try installation.shell(
      """
      umask 022
      echo secret > plain; setfattr -n user.kept -v yes plain; chown 1234:1234 plain; chmod 646 plain
      cp plain setid; chmod 6755 setid; mkdir -m 3777 dir; ln plain dir/link; ln -s /etc/passwd dir/symlink
      mknod device c 1 3; mknod block b 7 0; mkfifo -m 644 fifo
      setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= plain
      """)
    try installation.unmount()
    let target = installation.directory("out")
    let export = try installation.polykey("export", "default", target)
    #expect(
      export.text.split(separator: "\n").sorted() == [
        "block  left out: a device", "device  left out: a device", "dir  left out: its set-id bits",
        "plain  left out: extended attributes", "setid  left out: its set-id bits",
      ])
    let found = try Program.check(["find", "-mindepth", "1", "-printf", "%P %y %m %U %n\n"], in: target).text
    #expect(
      found.split(separator: "\n").sorted() == [
        "dir d 700 0 2", "dir/link f 600 0 2", "dir/symlink l 777 0 1", "fifo p 600 0 1", "plain f 600 0 2",
        "setid f 700 0 1",
      ])
    let attributes = try Program.check(["getfattr", "-d", "-m-", "plain"], in: target).text
    #expect(attributes.contains("user.kept=\"yes\"") && !attributes.contains("security"))
    #expect(try Program.check(["stat", "-c", "%a", target]).text == "700")

    // With --full they are there.
    let full = installation.directory("full")
    #expect(try installation.polykey("export", "default", full, "--full").text == "")
    let all = try Program.check(["find", "-mindepth", "1", "-printf", "%P %y %m %U\n"], in: full).text
    for line in ["device c 644 0", "block b 644 0", "setid f 6755 0", "dir d 3777 0", "plain f 646 1234"] {
      #expect(all.split(separator: "\n").contains(Substring(line)), "\(all)")
    }
  }

  @Test func `a directory that is not new is refused, and stays as it is`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:a/b", input: "secret")
    let victim = try installation.directory.write([1], to: "victim")
    let elsewhere = installation.directory("elsewhere")
    try Program.check(["mkdir", elsewhere])
    // What an earlier export, or somebody else, left there.
    try Program.check(
      ["sh", "-euc", "mkdir old; ln -s ../elsewhere old/a; ln -s elsewhere link; mkdir empty"],
      in: installation.directory.path)
    for (name, reason) in [
      ("old", "is not empty"), ("link", "no directory"), ("victim", "no directory"), ("missing/x", "cannot be made"),
    ] {
      let attempt = try installation.attempt("export", "default", installation.directory(name))
      #expect(attempt.status == (name == "missing/x" ? 1 : 4) && attempt.errors.contains(reason), "\(attempt.errors)")
    }
    #expect(try Program.check(["find", elsewhere, "-mindepth", "1"]).text == "")
    #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: victim))) == [1])
    // An empty one of one's own will do.
    try installation.polykey("export", "default", installation.directory("empty"))
    #expect(try String(contentsOfFile: installation.directory("empty/a/b"), encoding: .utf8) == "secret")
    if geteuid() == 0 {
      try Program.check(["sh", "-euc", "mkdir alien; chown 1234 alien"], in: installation.directory.path)
      let attempt = try installation.attempt("export", "default", installation.directory("alien"))
      #expect(attempt.status == 1 && attempt.errors.contains("belongs to somebody else"))
    }
  }

  @Test func `what is damaged is told, and the rest is written`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:bad", input: "1")
    try installation.polykey("set", "default:good", input: "2")
    let objects = try Program.check(
      [
        "git", "-C", installation.repository(), "rev-list", "--objects", "--all", "--no-object-names",
        "--filter=object:type=blob",
      ]
    ).text
    // Each blob is asked what it is, as only the program knows which is which.
    let blobs = try Program.check([
      "git", "-C", installation.repository(), "ls-tree", "-r", "--format=%(objectname) %(path)", "main~1",
    ])
    .text.split(separator: "\n").filter { $0.hasSuffix(".age") }.map { String($0.prefix(40)) }
    #expect(blobs.count == 1 && objects.contains(blobs[0]))
    let file = "\(installation.repository())/objects/\(blobs[0].prefix(2))/\(blobs[0].dropFirst(2))"
    try Program.check(["rm", "-f", file])
    let target = installation.directory("out")
    let attempt = try installation.attempt("export", "default", target)
    #expect(attempt.status == 6 && attempt.errors.contains("1 file is damaged"), "\(attempt.errors)")
    #expect(attempt.text.contains("left out: damaged"))
    #expect(try Program.check(["ls", target]).text == "good")
  }

  /// Depths beyond what one call to the kernel can name.
  @Test func `a path of 8,000 bytes is written`() throws {
    let installation = try Installation()
    try installation.mount()
    let program = """
      import os
      for step in range(32):
          os.mkdir("d" * 249); os.chdir("d" * 249)
      open("leaf", "w").write("deep")
      """
    try Program.check(["timeout", "300", "python3", "-c", program], in: installation.vaultDirectory)
    try installation.unmount()
    let target = installation.directory("out")
    try installation.polykey("export", "default", target)
    #expect(try Program.check(["find", "-name", "leaf", "-printf", "%d %s\n"], in: target).text == "33 4")
  }
}
