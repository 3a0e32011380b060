import Foundation
import TestSupport
import Testing

/// Programs that watch a mount hear of what the command line changes.
@Suite("Watching") struct WatchingTests {
  @Test func `inotifywait hears of the command line's changes, once each`() throws {
    let installation = try Installation()
    try installation.mount()
    let folder = "\(installation.mountPoint)/default"
    try installation.shell("mkdir d; echo old > d/secret; chmod 400 d/secret; sync d/secret")
    let versions = try installation.polykey("log", "default").text.split(separator: "\n").count
    let watcher = try BackgroundProgram(
      ["inotifywait", "-m", "-r", "-e", "create,delete,move,close_write,attrib", "--format", "%e %w%f", folder]
    ) { true }
    try eventually { watcher.output.contains("Watches established") }
    func told() -> [String] {
      watcher.output.replacingOccurrences(of: folder, with: "").split(separator: "\n").dropFirst(2).map(String.init)
    }
    try installation.polykey("set", "default:d/secret", input: "a longer value")
    try eventually { told() == ["CLOSE_WRITE,CLOSE /d/secret"] }
    #expect(try installation.shell("cat d/secret").text == "a longer value")
    try installation.polykey("mv", "default:d/secret", "default:moved")
    // What is moved is encrypted anew: nobody can tell from outside that its content is the same.
    try eventually {
      told().suffix(3) == ["MOVED_FROM /d/secret", "MOVED_TO /moved", "CLOSE_WRITE,CLOSE /moved"]
    }
    try installation.polykey("set", "default:new", input: "x")
    try eventually { told().suffix(2) == ["CREATE /new", "CLOSE_WRITE,CLOSE /new"] }
    try installation.polykey("rm", "default:moved")
    try eventually { told().last == "DELETE /moved" }
    #expect(told().count == 7)
    // The command line's four, and none of the mount's.
    #expect(try installation.polykey("log", "default").text.split(separator: "\n").count == versions + 4)
  }
}
