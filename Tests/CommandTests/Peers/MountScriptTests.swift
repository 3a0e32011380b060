import PeerScripts
import Testing

/// The scripts that VaultTests play over the library alone, on real mounts.
@Suite("Scripts on mounts") struct MountScriptTests {
  @Test(arguments: Script.all)
  func `a script ends as it should`(script: Script) throws {
    try script.play(on: try MountStage(script.cast))
  }
}
