import Foundation
import TestSupport
import Testing

/// Repositories with damaged, missing and foreign parts: what is hurt is named, the rest goes on.
@Suite("Damaged vaults") struct DamageTests {
  enum Damage: CaseIterable {
    case missing, truncated, emptied, flipped

    func strike(_ path: String) throws {
      chmodForTest(path, 0o600)
      var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      switch self {
      case .missing: return try FileManager.default.removeItem(atPath: path)
      case .truncated: bytes.removeLast(bytes.count / 2)
      case .emptied: bytes = []
      case .flipped: bytes[bytes.count * 2 / 3] ^= 4
      }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
  }

  /// A vault with a secret of two versions, of one, in two parts, a directory and a symbolic link.
  private func installation() throws -> Installation {
    let installation = try Installation()
    try installation.mount()
    try installation.shell(
      """
      mkdir d; echo one > d/twice; echo two > d/twice; echo once > d/once; ln -s once d/link
      head -c 1500000 /dev/zero | tr '\\0' x > large
      """)
    try installation.unmount()
    // Loose, so that one object can be hurt alone.
    try Program.check(
      [
        "sh", "-euc",
        """
        for p in objects/pack/*.pack; do
          [ -e $p ] || continue
          mv $p x; rm ${p%.pack}.*; git unpack-objects -q < x; rm x
        done
        """,
      ], in: installation.repository())
    return installation
  }

  /// Loose objects that the newest version of `secret` (or the one before, …) added, the header first.
  private func objects(of secret: String, back: Int = 0, in installation: Installation) throws -> [String] {
    let log = try installation.polykey("log", "--json", "default:\(secret)").text.split(separator: "\n")
    let version = try #require(JSONSerialization.jsonObject(with: Data(log[back].utf8)) as? [String: Any])["version"]
    let tree = try Program.check([
      "git", "-C", installation.repository(), "diff-tree", "-r", "--root", "--no-commit-id",
      try #require(version as? String),
    ])
    return try tree.text.split(separator: "\n").filter { $0.hasSuffix(".age") }
      .map { try looseObject(String($0.split(separator: " ")[3]), in: installation) }
  }

  private func looseObject(_ name: String, in installation: Installation) throws -> String {
    let hex = try Program.check(["git", "-C", installation.repository(), "rev-parse", name]).text
    return "\(installation.repository())/objects/\(hex.prefix(2))/\(hex.dropFirst(2))"
  }

  private func expectReadable(_ paths: [String], in installation: Installation) throws {
    for path in paths {
      let cat = try Program.run(["cat", "\(installation.mountPoint)/default/\(path)"])
      #expect(cat.status == 0, "\(path): \(cat.errors)")
    }
  }

  /// `verify` exits 6 and names `subject`.
  private func expectFinding(_ subject: String, in installation: Installation) throws {
    let verify = try installation.attempt("verify", "default")
    #expect(verify.status == 6)
    #expect(verify.text.contains(subject), "\(verify.text)")
    #expect(verify.errors.contains("1 thing is damaged"), "\(verify.errors)")
  }

  @Test(arguments: Damage.allCases)
  func `a damaged newest version is EIO under its name, and every other secret reads`(_ damage: Damage) throws {
    let installation = try installation()
    try damage.strike(try objects(of: "d/twice", in: installation)[0])
    try expectFinding("default:d/twice", in: installation)
    try installation.mount()
    let cat = try Program.run(["cat", "\(installation.mountPoint)/default/d/twice"])
    #expect(cat.status == 1 && cat.errors.contains("Input/output error"))
    try expectReadable(["d/once", "large"], in: installation)
    #expect(try installation.polykey("show", "default:d/twice@~1").text == "one")
    #expect(try installation.attempt("get", "default:d/twice").status == 6)
    // It blocks no other change, and is put right by a new version.
    try installation.shell("echo new > d/new; echo three > d/twice; cat d/twice")
    try installation.unmount()
    try installation.mount()
    try expectReadable(["d/once", "d/new", "d/twice", "large"], in: installation)
    try expectFinding("default:d/twice", in: installation)
  }

  @Test(arguments: Damage.allCases)
  func `a damaged secret of one version is EIO under a name made up for it`(_ damage: Damage) throws {
    let installation = try installation()
    try damage.strike(try objects(of: "d/once", in: installation)[0])
    try expectFinding("secret of unknown name", in: installation)
    try installation.mount()
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(installation.mountPoint)/default")
    let name = try #require(names.first { $0.hasPrefix("damaged-") })
    #expect(
      try Program.run(["cat", "\(installation.mountPoint)/default/\(name)"]).errors.contains("Input/output error"))
    try expectReadable(["d/twice", "large"], in: installation)
    try installation.shell("rm \(name); echo again > d/once")
    try installation.unmount()
    #expect(try installation.polykey("get", "default:d/once").text == "again")
  }

  @Test(arguments: Damage.allCases)
  func `a damaged part of a large file is EIO there, and its name is known`(_ damage: Damage) throws {
    let installation = try installation()
    try damage.strike(try objects(of: "large", in: installation)[2])
    try expectFinding("default:large", in: installation)
    try installation.mount()
    let large = "\(installation.mountPoint)/default/large"
    #expect(try Program.check(["head", "-c", "1000000", large]).output.count == 1_000_000)
    #expect(try Program.run(["cat", large]).errors.contains("Input/output error"))
    try expectReadable(["d/twice", "d/once"], in: installation)
  }

  @Test(arguments: Damage.allCases)
  func `a damaged older version is named, and the newest reads`(_ damage: Damage) throws {
    let installation = try installation()
    try damage.strike(try objects(of: "d/twice", back: 1, in: installation)[0])
    try expectFinding("default:d/twice", in: installation)
    try installation.mount()
    try expectReadable(["d/twice", "d/once", "large"], in: installation)
    #expect(try installation.attempt("show", "default:d/twice@~1").status != 0)
  }

  @Test(arguments: Damage.allCases, ["main~2", "main:README.md", "members:people.age"])
  func `what no secret needs is named, and every secret reads`(_ damage: Damage, _ object: String) throws {
    let installation = try installation()
    try damage.strike(try looseObject(object, in: installation))
    try expectFinding("commit ", in: installation)
    try installation.mount()
    try expectReadable(["d/twice", "d/once", "large"], in: installation)
    try installation.shell("echo new > new")
  }

  @Test(arguments: Damage.allCases, ["main", "main^{tree}", "members", "members:keys/1.age", "members:vault"])
  func `without the newest commit or the members there is a clear error and another vault mounts`(
    _ damage: Damage, _ object: String
  ) throws {
    let installation = try installation()
    try damage.strike(try looseObject(object, in: installation))
    #expect(try installation.attempt("verify", "default").status == 6)
    for arguments in [["ls", "default:"], ["set", "default:new"], ["mount", "default", installation.mountPoint]] {
      try installation.expectRefusal(arguments, status: 6, saying: "backup")
    }
    try installation.polykey("vault", "create", "sound")
    try FileManager.default.createDirectory(atPath: installation.mountPoint, withIntermediateDirectories: true)
    let mount = try installation.attempt("mount", installation.mountPoint)
    #expect(mount.status == 0 && mount.errors.contains("the vault default is not mounted"), "\(mount.errors)")
    try installation.shell("echo new > new; cat new", in: "\(installation.mountPoint)/sound")
  }

  @Test(arguments: [
    "garbage", "", "ref: refs/heads/../../HEAD", String(repeating: "0", count: 40), "ref: refs/heads/nodes/x",
  ])
  func `a malformed branch is a clear error`(_ text: String) throws {
    let installation = try installation()
    let nodes = "\(installation.repository())/refs/heads/nodes"
    let node = try #require(FileManager.default.contentsOfDirectory(atPath: nodes).first)
    try Data("\(text)\n".utf8).write(to: URL(fileURLWithPath: "\(nodes)/\(node)"))
    let list = try installation.attempt("ls", "default:")
    // An unborn branch is an empty vault; nothing that is stored gets lost.
    #expect(list.status == 6 || list.status == 1 || (text.hasPrefix("ref: refs/heads/nodes") && list.status == 0))
    #expect(list.status == 0 || list.isOneSentence, "\(list.errors)")
  }

  @Test func `a hurt pack costs what is in the hurt place only`() throws {
    let installation = try installation()
    try Program.check(["git", "-C", installation.repository(), "-c", "gc.pruneExpire=never", "gc", "-q"])
    let folder = "\(installation.repository())/objects/pack"
    let pack = try #require(FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".pack") })
    // Most of the pack is the large file.
    try Damage.flipped.strike("\(folder)/\(pack)")
    #expect(try installation.attempt("verify", "default").status == 6)
    try installation.mount()
    try expectReadable(["d/twice", "d/once"], in: installation)
  }

  @Test func `a directory that is no vault, and a later format, are clear errors`() throws {
    let installation = try installation()
    try FileManager.default.createDirectory(
      atPath: installation.repository("junk"), withIntermediateDirectories: false)
    try Program.check(["git", "init", "-q", "--bare", installation.repository("plain")])
    for vault in ["junk", "plain"] {
      for command in ["verify", "log", "signers"] {
        try installation.expectRefusal([command, vault], status: 6, saying: "not a Polykey vault")
      }
    }
    let membership = try Program.check(
      [
        "sh", "-euc",
        """
        export GIT_INDEX_FILE=$PWD/index GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
        git read-tree members
        blob=$(git cat-file blob members:vault | sed 's/^format 2$/format 3/' | git hash-object -w --stdin)
        git update-index --cacheinfo 100644,$blob,vault
        git update-ref refs/heads/members $(git commit-tree -m x $(git write-tree)); rm index
        """,
      ], in: installation.repository())
    #expect(membership.status == 0)
    for arguments in [["ls", "default:"], ["verify", "default"], ["mount", "default", installation.mountPoint]] {
      try installation.expectRefusal(arguments, status: 6, saying: "format 3, which is newer")
    }
  }
}

private func chmodForTest(_ path: String, _ mode: mode_t) { _ = unsafe chmod(path, mode) }
