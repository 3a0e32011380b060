import Foundation
import TestSupport
import Testing

/// What a new user does first, with real programs on a real mount.
@Suite("First use") struct FirstUseTests {
  @Test func `a secret written with echo is read with cat and is one signed encrypted commit`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("mkdir db; echo -n hunter2 > db/password")
    #expect(try installation.shell("cat db/password").text == "hunter2")
    #expect(try installation.commitCount() == 2)

    let signers = try installation.directory.write(
      installation.polykey("signers", "default").output, to: "signers")
    let log = try Program.check([
      "git", "-C", installation.repository(), "-c", "gpg.ssh.allowedSignersFile=\(signers)", "log", "--show-signature",
      "main",
    ])
    #expect(log.text.components(separatedBy: "Good \"git\" signature").count == 3)
    try Program.check(["git", "-C", installation.repository(), "fsck", "--strict"])

    for secret in ["hunter2", "password"] {
      let grep = try Program.run(["grep", "-ra", secret, installation.home])
      #expect(grep.status == 1, "found in \(grep.text.prefix(200))")
    }
    try installation.unmount()
    #expect(try installation.polykey("get", "default:db/password").text == "hunter2")
  }

  @Test func `each of a hundred completed writes is one commit when the call returns`() throws {
    let installation = try Installation()
    try installation.mount()
    let counts = try installation.shell(
      """
      i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i > secret; git -C "$REPOSITORY" rev-list --count main; done
      """, environment: ["REPOSITORY": installation.repository()])
    #expect(counts.text == (1...100).map(String.init).joined(separator: "\n"))
    let log = try installation.polykey("log", "default:secret")
    #expect(log.text.split(separator: "\n").count == 100)
  }
}
