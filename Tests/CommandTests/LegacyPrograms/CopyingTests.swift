import TestSupport
import Testing

/// rsync and tar, which carry whole trees with all that belongs to them.
@Suite("Legacy programs: rsync and tar") struct CopyingTests {
  @Test func `rsync copies a tree in and out, and a second run has nothing to do`() throws {
    let installation = try Installation()
    try installation.mount()
    let (source, copy) = (installation.directory("source"), installation.directory("copy"))
    try Program.check(["mkdir", source, copy])
    try Tree.build(in: source)
    try installation.shell("mkdir tree")
    let original = try Tree.manifest(of: source)

    func rsync(_ options: String, _ from: String, _ to: String) throws -> String {
      let command = "rsync \(options) --itemize-changes \"$FROM/\" \"$TO\""
      return try installation.shell(command, environment: ["FROM": from, "TO": to]).text
    }
    let tree = "\(installation.vaultDirectory)/tree"
    #expect(try rsync("-aHX", source, tree) != "")
    #expect(try rsync("-aHX --delete", source, tree) == "")
    #expect(try rsync("-aHX --delete --checksum", source, tree) == "")
    Tree.expectSame(try Tree.manifest(of: tree), original)
    // The mount's next life has the same tree.
    try installation.unmount()
    try installation.mount()
    #expect(try rsync("-aHX --delete", source, tree) == "")

    #expect(try rsync("-aHX", tree, copy) != "")
    #expect(try rsync("-aHX --delete", tree, copy) == "")
    Tree.expectSame(try Tree.manifest(of: copy), original)
    try installation.checkRepository()
  }

  @Test func `rsync of a changed file is one version of it`() throws {
    let installation = try Installation()
    try installation.mount()
    let source = installation.directory("source")
    for content in ["one", "two", "three"] {
      try installation.shell("mkdir -p \"$FROM\"; echo \(content) > \"$FROM/secret\"", environment: ["FROM": source])
      // The times may be equal to the second, and the sizes are.
      try installation.shell("rsync -a --checksum \"$FROM/\" .", environment: ["FROM": source])
    }
    #expect(try installation.versions(of: "secret") == ["M secret", "M secret", "A secret"])
    try installation.shell(
      """
      rsync -a --inplace --checksum "$FROM/" .
      echo four >> "$FROM/secret"
      rsync -a --inplace "$FROM/" .
      """, environment: ["FROM": source])
    #expect(try installation.versions(of: "secret").count == 4)
    #expect(try installation.pathsInHistory().isSubset(of: [".", "secret"]))
  }

  @Test(arguments: ["tar", "bsdtar"])
  func `tar packs and unpacks on the mount`(program: String) throws {
    let installation = try Installation()
    try installation.mount()
    let (source, copy) = (installation.directory("source"), installation.directory("copy"))
    try Program.check(["mkdir", source, copy])
    try Tree.build(in: source)
    try installation.shell("mkdir tree")
    let original = try Tree.manifest(of: source)
    let (create, extract) =
      program == "tar"
      ? ("tar --format=posix --xattrs -cf", "tar --xattrs --xattrs-include='*' --delay-directory-restore -xpf")
      : ("bsdtar --format=pax --xattrs -cf", "bsdtar --xattrs -xpf")

    // The same on the plain disk: bsdtar gives the top directory no time back and two names to an attribute's space.
    let control = installation.directory("control")
    try Program.check(["mkdir", control])
    try installation.shell(
      "\(create) - -C \"$FROM\" . | \(extract) - -C \"$TO\"", environment: ["FROM": source, "TO": control])
    func expectSame(_ found: String, _ expected: String) {
      func paths(_ manifest: String) -> String { program == "tar" ? manifest : String(manifest.drop { $0 != "\n" }) }
      Tree.expectSame(paths(found), paths(expected))
    }
    let expected = try Tree.manifest(of: control)
    if program == "tar" { Tree.expectSame(expected, original) }

    // From outside onto the mount, and an archive on the mount of what is outside.
    let tree = "\(installation.vaultDirectory)/tree"
    try installation.shell("\(create) - -C \"$FROM\" . | \(extract) - -C tree", environment: ["FROM": source])
    expectSame(try Tree.manifest(of: tree), expected)
    try installation.shell(
      "\(create) archive.tar -C \"$FROM\" .; \(extract) archive.tar -C \"$TO\"",
      environment: ["FROM": source, "TO": copy])
    expectSame(try Tree.manifest(of: copy), expected)
    // And of what is on the mount.
    if program == "tar" {
      let again = "\(create) archive.tar -C tree .; \(extract) archive.tar -C \"$TO\""
      try installation.shell(again, environment: ["TO": copy])
      expectSame(try Tree.manifest(of: copy), expected)
    }
    try installation.unmount()
    try installation.mount()
    expectSame(try Tree.manifest(of: tree), expected)
  }
}
