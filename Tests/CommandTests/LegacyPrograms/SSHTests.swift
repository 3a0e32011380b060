import TestSupport
import Testing

/// OpenSSH's programs, which refuse a private key that others could read.
@Suite("Legacy programs: OpenSSH") struct SSHTests {
  @Test(arguments: ["ed25519", "ecdsa", "rsa"])
  func `ssh-keygen makes a key on the mount, reads it back and changes its passphrase`(type: String) throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("ssh-keygen -q -t \(type) -N '' -C test -f key")
    #expect(try installation.shell("stat -c %a key key.pub").text == "600\n644")
    let publicKey = try installation.shell("cat key.pub").text
    #expect(try installation.shell("ssh-keygen -y -f key").text == publicKey)
    try installation.shell("ssh-keygen -q -p -P '' -N 'a passphrase' -f key")
    #expect(try installation.shell("ssh-keygen -y -P 'a passphrase' -f key").text == publicKey)
    #expect(try installation.versions(of: "key") == ["M key", "A key"])
    #expect(try installation.versions(of: "key.pub") == ["A key.pub"])
    try installation.unmount()
    try installation.mount()
    #expect(try installation.shell("stat -c %a key").text == "600")
    #expect(try installation.shell("ssh-keygen -y -P 'a passphrase' -f key").text == publicKey)
  }

  @Test func `ssh-add takes a key from the mount and insists on its mode`() throws {
    let installation = try Installation()
    try installation.mount()
    let socket = installation.directory("agent")
    let agent = try BackgroundProgram(["ssh-agent", "-D", "-a", socket]) {
      try Program.run(["test", "-S", socket]).status == 0
    }
    try installation.shell("ssh-keygen -q -t ed25519 -N '' -C test -f key")
    try withExtendedLifetime(agent) {
      func add() throws -> Program {
        try Program.run(
          ["timeout", "60", "ssh-add", "key"], in: installation.vaultDirectory, environment: ["SSH_AUTH_SOCK": socket])
      }
      #expect(try add().status == 0)
      #expect(
        try Program.check(["ssh-add", "-L"], environment: ["SSH_AUTH_SOCK": socket]).text
          == installation.shell("cat key.pub").text)
      try Program.check(["ssh-add", "-D"], environment: ["SSH_AUTH_SOCK": socket])
      try installation.shell("chmod 644 key")
      let refusal = try add()
      #expect(refusal.status != 0 && refusal.errors.contains("UNPROTECTED PRIVATE KEY FILE"))
      try installation.shell("chmod 600 key")
      #expect(try add().status == 0)
      // The agent signs with it.
      try installation.shell(
        """
        echo text > text; ssh-keygen -q -Y sign -f key.pub -n file text
        ssh-keygen -q -Y check-novalidate -n file -s text.sig < text
        """, environment: ["SSH_AUTH_SOCK": socket])
    }
  }
}
