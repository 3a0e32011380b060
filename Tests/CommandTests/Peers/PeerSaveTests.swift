import Glibc
import TestSupport
import Testing

/// What a save by renaming is at a peer.
@Suite("Peers: saving by rename", .serialized) struct PeerSaveTests {
  @Test(arguments: ["secret.h4Gd7a", "4d2c"])
  func `a bind mount of a secret follows saves by fsync and rename on another's mount`(temporary: String) throws {
    let network = try TestNetwork(2)
    let nodes = [try PeerInstallation(0, of: network), try PeerInstallation(1, of: network)]
    try nodes[0].found()
    try nodes[0].write("secret", "0")
    try nodes[0].admit(nodes[1], as: "writer", label: "bob")
    try eventually("the secret arrives") { nodes[1].read("secret") == "0" }
    let bound = nodes[1].installation.directory("bound")
    try Program.check(["touch", bound])
    try Program.check(["mount", "--bind", "\(nodes[1].directory)/secret", bound])
    defer { _ = try? Program.run(["umount", "--lazy", bound]) }
    let inode = try Program.check(["stat", "-c", "%i", bound]).text
    for number in 1...5 {
      try Program.check(
        [
          "python3", "-c",
          """
          import os, sys
          fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
          os.write(fd, sys.argv[2].encode()); os.fsync(fd); os.close(fd); os.rename(sys.argv[1], "secret")
          """, temporary, "\(number)",
        ], in: nodes[0].directory)
      try eventually("save \(number) is seen through the bind mount") {
        try Program.check(["cat", bound]).text == "\(number)"
      }
    }
    #expect(
      try Program.check(["stat", "-c", "%i", bound, "\(nodes[1].directory)/secret"]).text == "\(inode)\n\(inode)")
    try Program.check(["umount", bound])
  }
}
