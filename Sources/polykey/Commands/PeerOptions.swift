import ArgumentParser
import PeerSync

/// How a process that shows or serves vaults meets its peers.
struct PeerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Let peers connect here; may be given more than once.", valueName: "addr:port"))
  var listen: [String] = []

  @Flag(help: "Talk to no peers.") var offline = false

  func validate() throws {
    if offline, !listen.isEmpty { throw ValidationError("Give --listen or --offline, not both.") }
  }

  func addresses() throws -> [PeerAddress] {
    try listen.map { text in try PeerSyncFailure.explained { () throws(PeerSyncError) in try PeerAddress(text) } }
  }

  var flags: [String] { listen.flatMap { ["--listen", $0] } + (offline ? ["--offline"] : []) }
}
