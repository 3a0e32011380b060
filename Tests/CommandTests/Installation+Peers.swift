import Foundation
import TestSupport
import Testing

extension Installation {
  /// Makes another keynode a member of the vault `default`, with a pairing code over loopback; it has the vault afterwards.
  func admit(_ other: Installation, as role: String = "writer", label: String = "other", flags: String...) throws {
    let inviter = try BackgroundProgram(
      [
        Installation.program, "invite", "default", "--role", role, "--label", label, "--wait", "--listen",
        "127.0.0.1:0",
      ] + flags, environment: environment
    ) { true }
    func code() -> Substring? {
      inviter.output.split(separator: "\n").first { $0.hasPrefix("polykey:") && $0.contains("@") }
    }
    try eventually { code() != nil && inviter.output.hasSuffix("\n") }
    try other.polykey("join", String(code() ?? ""))
  }

  /// Two keynodes that are members of the first one's vault `default`.
  static func pair() throws -> (Installation, Installation) {
    let (first, second) = (try Installation(), try Installation(vaults: []))
    try first.admit(second)
    return (first, second)
  }

  /// Carries all that the vault `default` has to another keynode, in a bundle.
  func carry(to other: Installation) throws {
    let file = directory("carried")
    try polykey("bundle", "default", file)
    try other.polykey("apply", "default", file)
  }

  /// Exchanges vaults with peers in the background, at a port of loopback.
  func serve(at port: Int) throws -> BackgroundProgram {
    let server = try BackgroundProgram(
      [Installation.program, "serve", "--listen", "127.0.0.1:\(port)"], environment: environment
    ) { true }
    owns(server)
    try eventually { server.output.contains("listening at") }
    return server
  }
}
