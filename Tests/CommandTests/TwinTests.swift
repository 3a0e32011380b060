import Foundation
import TestSupport
import Testing

/// One vault has one name on a keynode; with the real program.
@Suite("Vaults under two names") struct TwinTests {
  @Test func `a bundle of a vault that is here is refused under another name, with the name that it has`() throws {
    let installation = try Installation(vaults: ["prod"])
    try installation.polykey("set", "prod:secret", input: "value")
    let bundle = installation.directory("bundle")
    try installation.polykey("bundle", "prod", bundle)
    try installation.expectRefusal(["apply", "prdo", bundle], status: 4, saying: "here already, as prod")
    #expect(try installation.polykey("vault", "list").text == "prod")
    try installation.polykey("apply", "prod", bundle)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(installation.home)/vaults") == ["prod.git"])
  }

  @Test(.enabled(if: geteuid() == 0))
  func `joining a vault that is here is refused under another name, with the name that it has`() throws {
    let network = try TestNetwork(2)
    let nodes = [try PeerInstallation(0, of: network), try PeerInstallation(1, of: network)]
    try nodes[0].found()
    try nodes[0].admit(nodes[1], as: "writer")
    let code = try nodes[0].polykey("invite", "team", "--role", "writer").text
    let join = try nodes[1].attempt("join", code, "--name", "other")
    #expect(join.status == 4 && join.errors.contains("here already, as team"), "\(join.errors)")
    #expect(try nodes[1].polykey("vault", "list").text == "team")
    for node in nodes { try node.unmount() }
  }

  @Test func `a copy of a repository beside it is not used, and status and a mount of all vaults say so`() throws {
    let installation = try Installation(vaults: ["prod", "other"])
    try installation.polykey("set", "prod:secret", input: "value")
    try Program.check(["cp", "-a", installation.repository("prod"), installation.repository("copy")])
    for command in [
      ["get", "copy:secret"], ["set", "copy:secret"], ["log", "copy"], ["mount", "copy", installation.mountPoint],
    ] {
      try installation.expectRefusal(command, status: 4, saying: "here already, as prod")
    }
    let status = try installation.polykey("status").text
    #expect(status.contains("vault copy: the same vault as prod") && status.contains("vault prod: not mounted"))
    try FileManager.default.createDirectory(atPath: installation.mountPoint, withIntermediateDirectories: true)
    let mount = try installation.attempt("mount", installation.mountPoint)
    #expect(mount.status == 0 && mount.errors.contains("copy is not mounted"), "\(mount.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: installation.mountPoint).sorted() == ["other", "prod"])
    try installation.unmount()
    // Renaming, by the command or by hand, leaves one name.
    try installation.polykey("vault", "remove", "copy", "--yes")
    try installation.polykey("vault", "rename", "prod", "production")
    #expect(try installation.polykey("get", "production:secret").text == "value")
    try Program.check(["mv", installation.repository("production"), installation.repository("prod")])
    #expect(try installation.polykey("get", "prod:secret").text == "value")
  }
}
