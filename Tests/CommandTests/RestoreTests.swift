import Foundation
import TestSupport
import Testing

/// The promise to the user: a backup and a key give everything back with git, age and tar, and no Polykey.
///
/// The commands are those of the README.md in the vault's own repository, word for word. Its first form is for a repository that somebody else
/// may have changed, its second for one's own.
@Suite("Restoring without Polykey") struct RestoreTests {
  @Test func `git, age and tar give the whole tree back as it was`() throws {
    let installation = try Installation()
    try installation.mount()
    try Tree.build(in: installation.vaultDirectory)
    let mounted = try Tree.manifest(of: installation.vaultDirectory)
    try installation.unmount()

    let backup = try Backup(of: installation)
    try backup.restore(.everything)
    Tree.expectSame(try Tree.manifest(of: try backup.restored), mounted)
    #expect(try Program.check(["ls", "\(try backup.restored)/.."]).text == "files")

    // And the next mount shows the same tree as the one that wrote it.
    try installation.mount()
    Tree.expectSame(try Tree.manifest(of: installation.vaultDirectory), mounted)
    try installation.checkRepository()
  }

  @Test func `the name of a commit in the place of main gives that version back`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell(
      "mkdir db; echo first > db/password; echo second > db/password; mv db/password pass; rmdir db")
    let commits = try Program.check([
      "git", "-C", installation.repository(), "rev-list", "--reverse", "main",
    ]).text.split(separator: "\n").map(String.init)
    let expected: [[String: String]] = [
      [:], ["db/password": "first\n"], ["db/password": "second\n"], ["pass": "second\n"], ["pass": "second\n"],
    ]
    #expect(commits.count == expected.count)
    for (commit, files) in zip(commits, expected) {
      let backup = try Backup(of: installation)
      try backup.restore(.safely, commit)
      let restored = try backup.restored
      let found = try Program.check(["find", "-type", "f", "-printf", "%P\n"], in: restored).text
      #expect(found == files.keys.joined())
      for (path, content) in files {
        #expect(try String(contentsOfFile: "\(restored)/\(path)", encoding: .utf8) == content)
      }
      let hasFolder = FileManager.default.fileExists(atPath: "\(restored)/db")
      #expect(hasFolder == (commit != commits.last))
    }
  }

  /// The same names, contents and times for their owner alone, and nothing that a program of root's would trust.
  @Test(arguments: geteuid() == 0 ? [0, 65_534] : [geteuid()])
  func `the first form gives contents back without owners, set-id bits, devices and capabilities`(user: uid_t) throws {
    let installation = try Installation()
    try installation.mount("-o", "dev,suid")
    try installation.shell(
      """
      umask 022
      echo secret > plain; touch -d @981173106.5 plain; setfattr -n user.kept -v yes plain
      cp plain setid; chmod 6755 setid; cp plain group; chmod 664 group; mkdir -m 3777 dir; ln plain dir/link
      """)
    if geteuid() == 0 {
      try installation.shell(
        """
        mknod device c 1 3; mknod block b 7 0; chown 1234:1234 group
        setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= group
        """)
    }
    try installation.unmount()
    let backup = try Backup(of: installation, for: user)
    // Only root is asked not to make devices; others cannot.
    try backup.restore(.safely, mayComplain: user != 0)
    let found = try Program.check(
      ["find", "-mindepth", "1", "-printf", "%P %y %m %U %n\\n"], in: try backup.restored
    ).text.split(separator: "\n").sorted()
    #expect(
      found == [
        "dir d 700 \(user) 2", "dir/link f 600 \(user) 2", "group f 600 \(user) 1", "plain f 600 \(user) 2",
        "setid f 700 \(user) 1",
      ])
    let attributes = try Program.check(["getfattr", "-R", "-m-", "."], in: try backup.restored).text
    #expect(
      attributes.split(separator: "\n").filter { $0.hasPrefix("user") } == ["user.kept", "user.kept"])
    #expect(!attributes.contains("security"))
    let time = try Program.check(["stat", "-c", "%.1Y", "plain"], in: try backup.restored).text
    #expect(time == "981173106.5")
  }

  @Test(arguments: geteuid() == 0 ? [0, 65_534] : [geteuid()])
  func `a repository that a host filled with traps runs no command and touches nothing outside`(user: uid_t) throws {
    let installation = try Installation()
    try installation.polykey("set", "default:honest", input: "as it was")
    let backup = try Backup(of: installation, for: user)
    let recipient = try #require(
      try String(contentsOfFile: "\(installation.home)/identity.pub", encoding: .utf8).split(separator: "\n")
        .first { $0.hasPrefix("age ") }?.dropFirst(4))
    try Program.check(
      ["timeout", "300", "python3", "-c", Traps.build, String(recipient)], in: backup.directory.path)
    try Program.check(["chown", "-R", "\(user)", backup.directory.path])
    let before = try Traps.surroundings(of: backup)
    try backup.restore(.safely, mayComplain: true)
    #expect(try Traps.surroundings(of: backup) == before)
    #expect(try Program.check(["find", "/tmp", "-maxdepth", "1", "-name", "PWNED-*"]).text == "")
    let found = try Program.check(
      ["find", "-mindepth", "1", "(", "-perm", "/7000", "-o", "-type", "b", "-o", "-type", "c", ")"],
      in: try backup.restored
    ).text
    #expect(found == "")
    // Nor do traps keep back what is sound: not zeros that end an archive, nor what is no object.
    #expect(try String(contentsOfFile: "\(try backup.restored)/honest", encoding: .utf8) == "as it was")
    #expect(try String(contentsOfFile: "\(try backup.restored)/after zeros", encoding: .utf8) == "here")
  }
}

/// What a hostile git host may put into a repository that it keeps.
private enum Traps {
  /// All of what the person has beside what is restored.
  static func surroundings(of backup: Backup) throws -> String {
    try Program.check(
      [
        "sh", "-euc",
        "find . -path './restored.*' -prune -o ! -name . -printf '%p %y %m %n %s %T@\\n' | sort; cat victim/*",
      ], in: backup.directory.path
    ).text
  }

  /// Run where VAULT.git is, with the member's recipient.
  static let build = #"""
    import io, os, subprocess, sys, tarfile
    here = os.getcwd()
    os.mkdir("victim"); open("victim/file", "w").write("untouched"); open("existing", "w").write("untouched")
    mark = "/usr/bin/touch /tmp/PWNED-%d; /usr/bin/touch %s/PWNED" % (os.getpid(), here)
    # A plugin that age finds.
    open("bin/age-plugin-evil", "w").write("#!/bin/sh\n" + mark + "\n"); os.chmod("bin/age-plugin-evil", 0o755)
    def git(*arguments, data=b""):
        return subprocess.run(["git", "-c", "safe.directory=*", "-C", "VAULT.git", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout
    def blob(data): return git("hash-object", "-w", "--stdin", data=data).decode().strip()
    def tree(rows):
        data = b"".join(b"%s %s %s\t%s\0" % (mode, kind, oid.encode(), name) for mode, kind, oid, name in rows)
        return git("mktree", "-z", "--missing", data=data).decode().strip()
    def sealed(data, recipient): return blob(subprocess.run(["age", "-r", recipient], input=data, stdout=subprocess.PIPE, check=True).stdout)
    def rows(name): return [tuple(part for part in (lambda meta, path: (*meta.split(b" "), path))(*line.split(b"\t")))
                            for line in git("ls-tree", "-z", name).split(b"\0") if line]
    # An epoch key of the host's own, beside the true one.
    subprocess.run(["age-keygen", "-o", "evil.key"], check=True, stderr=subprocess.DEVNULL)
    key = open("evil.key").read().split("\n")
    public, secret = key[1].split(": ")[1], key[2]
    os.unlink("evil.key")
    member = sys.argv[1]
    plain = lambda name, content=b"": (b"100644", b"blob", blob(content), name)
    keys = [(m, k, o.decode(), n) for m, k, o, n in rows("members:keys")]
    def bech32(prefix, values):
        digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
        def polymod(values):
            check = 1
            for value in values:
                top = check >> 25; check = (check & 0x1FFFFFF) << 5 ^ value
                for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)): check ^= g if top >> i & 1 else 0
            return check
        check = polymod([ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values + [0] * 6) ^ 1
        return (prefix + "1" + "".join(digits[v] for v in values + [check >> 5 * (5 - i) & 31 for i in range(6)])).upper()
    plugin = bech32("age-plugin-evil-", [0] * 8)
    for name, text in ((b"2.age", secret), (b"0.age", plugin + "\n" + secret), 
                       (b"1.age --output=PWNED", secret), (b"--output=PWNED", secret), (b"6.age;" + mark.encode().replace(b"/", b"."), secret)):
        keys.append((b"100644", b"blob", sealed(text.encode() + b"\n", member), name))
    top = [(m, k, o.decode(), n) for m, k, o, n in rows("members") if n != b"keys"]
    def commit(root, branch):
        oid = git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", root, data=b"x").decode().strip()
        git("update-ref", "--no-deref", branch, oid)
        return oid
    members = commit(tree(top + [(b"040000", b"tree", tree(keys), b"keys")]), "refs/heads/members")
    def entry(name, kind=tarfile.REGTYPE, content=b"", **more):
        info = tarfile.TarInfo(name); info.type = kind; info.size = len(content); info.mode = 0o6755
        for k, v in more.items(): setattr(info, k, v)
        return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)
    S, L, D = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
    victim = here + "/victim"
    evil = [
        entry("out", S, linkname=victim), entry("out/pwned", content=b"x"),
        entry("up", S, linkname="../../victim"), entry("up/pwned", content=b"x"), entry("up/file", content=b"x"),
        entry(victim + "/absolute", content=b"x"), entry("../../victim/dots", content=b"x"), entry("../../existing", content=b"x"),
        entry("hard", L, linkname=victim + "/file") + entry("hard", content=b"x"), entry("dots", L, linkname="../../victim/file"),
        entry("file link", S, linkname="../../victim/file") + entry("file link", content=b"x"),
        entry("device", tarfile.CHRTYPE, devmajor=1, devminor=3), entry("block", tarfile.BLKTYPE, devmajor=7, devminor=0),
        entry("setid", content=b"#!/bin/sh\n", uid=0, gid=0), entry("-rf"), entry("--checkpoint-action=exec=" + mark.replace("/", ".")),
        entry("capable", content=b"x", pax_headers={"SCHILY.xattr.security.capability": "\x01\0\0\x02\0 \0\0" + "\0" * 12}),
        entry("zeros") + bytes(1024), entry("after zeros", content=b"here"),
        entry("group", D, mode=0o2777),
    ]
    shadows = [(m, k, o.decode(), n) for m, k, o, n in rows("main")]
    rows_ = []
    for index, data in enumerate(evil):
        rows_.append((b"100644", b"blob", sealed(data, public), b"%030x.age" % index))
    odd = [plain(b"--output=PWNED.age"), plain(b"$(" + mark.encode().replace(b"/", b".") + b").age"), plain(b"a b\nc.age"),
           (b"160000", b"commit", members, b"%030x.age" % 999)]
    fan = tree(rows_ + odd)
    free = next(name for name in (b"%02x" % n for n in range(256)) if name not in [row[3] for row in shadows])
    root = shadows + [(b"040000", b"tree", fan, free)]
    # Tags are found before branches of the same name.
    git("update-ref", "refs/tags/main", commit(tree(root), "refs/heads/main")); git("update-ref", "refs/tags/members", members)
    script = os.path.join(here, "hook.sh")
    open(script, "w").write("#!/bin/sh\n" + mark + "\n"); os.chmod(script, 0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "core.editor", "uploadpack.packObjectsHook", "diff.external", "pager.ls-tree"):
        git("config", name, script)
    for hook in ("post-checkout", "pre-receive", "reference-transaction", "post-index-change"):
        os.makedirs("VAULT.git/hooks", exist_ok=True)
        open("VAULT.git/hooks/" + hook, "w").write("#!/bin/sh\n" + mark + "\n"); os.chmod("VAULT.git/hooks/" + hook, 0o755)
    """#
}

/// What a user has kept: the repository and the identity, on a machine with git, age and tar.
struct Backup {
  /// Which of the two ways of the README.md.
  enum Form: Int {
    case safely = 1
    case everything
  }

  let directory: TemporaryDirectory
  private let user: uid_t

  /// The files that came back.
  var restored: String {
    get throws {
      let found = try FileManager.default.contentsOfDirectory(atPath: directory.path).filter {
        $0.hasPrefix("restored.")
      }
      return directory("\(found.first ?? "nothing")/files")
    }
  }

  /// A copy in the hands of `user`.
  init(of installation: Installation, for user: uid_t = geteuid()) throws {
    directory = try TemporaryDirectory()
    self.user = user
    try Program.check(["cp", "-a", installation.repository(), directory("VAULT.git")])
    try Program.check(["cp", "\(installation.home)/identity", directory("IDENTITY")])
    try FileManager.default.createDirectory(atPath: directory("bin"), withIntermediateDirectories: false)
    for tool in ["git", "age", "tar", "find", "grep", "sort", "mkdir", "mktemp", "rm", "shred"] {
      let path = try Program.check(["sh", "-c", "command -v \(tool)"]).text
      try FileManager.default.createSymbolicLink(atPath: directory("bin/\(tool)"), withDestinationPath: path)
    }
    if user != geteuid() { try Program.check(["chown", "-R", "\(user):\(user)", directory.path]) }
  }

  /// Runs the indented lines of the README.md on the branch main, but for those of the other form.
  func restore(_ form: Form, _ version: String = "refs/heads/main", mayComplain: Bool = false) throws {
    let fixed = ["git", "-c", "safe.directory=*", "-C", directory("VAULT.git")]
    let readme = try Program.check(fixed + ["cat-file", "blob", "refs/heads/nodes/\(try node):README.md"]).text
    var blocks: [[Substring]] = [[]]
    for line in readme.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("    ") {
        blocks[blocks.count - 1].append(line)
      } else if !line.isEmpty, blocks.last != [] {
        blocks.append([])
      }
    }
    guard blocks.count >= 4, blocks[form.rawValue].first == "    archive refs/heads/main |" else {
      throw Program.Failure(description: "other commands in README.md: \(readme)")
    }
    let script = (blocks[0] + blocks[form.rawValue] + blocks[3]).joined(separator: "\n")
    let asUser =
      user == geteuid() ? [] : ["/usr/bin/setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups"]
    let program = try Program.run(
      ["/usr/bin/timeout", "300"] + asUser + [
        "/bin/sh", "-uc", script.replacing("archive refs/heads/main", with: "archive \(version)"),
      ],
      in: directory.path, environment: ["PATH": directory("bin"), "LC_ALL": "C", "HOME": directory.path])
    guard mayComplain || program.status == 0 else {
      throw Program.Failure(description: "exited \(program.status): \(program.errors)")
    }
  }

  /// The node whose branch main was before anybody tampered with it.
  private var node: String {
    get throws {
      let names = try Program.check([
        "git", "-c", "safe.directory=*", "-C", directory("VAULT.git"), "for-each-ref", "--format=%(refname:lstrip=3)",
        "refs/heads/nodes",
      ]).text
      return String(names.split(separator: "\n").first ?? "none")
    }
  }
}
