import PeerScripts
import Testing

/// The scripts that CommandTests play on real mounts, over the library alone.
@Suite("Scripts over the library") struct ScriptTests {
  @Test(arguments: Script.all)
  func `a script ends as it should`(script: Script) throws {
    try script.play(on: try LibraryStage(script.cast))
  }
}
