import Foundation
import FuseMount
import TestSupport
import Testing

/// What programs do with files, on real mounts.
@Suite("Operations on a mount") struct OperationTests {
  @Test(arguments: MountedSystem.Shape.allCases, [true, false])
  func `programs find a complete POSIX file system`(shape: MountedSystem.Shape, kernelCache: Bool) throws {
    var options = MountOptions()
    options.kernelCache = kernelCache
    try options.add("suid,dev")
    let system = try MountedSystem(shape, options: options)
    let script = system.scratch + "/probe.py"
    try probeScript.write(toFile: script, atomically: false, encoding: .utf8)
    let program = try Program.run(["timeout", "240", "python3", script, system.path])
    #expect(
      program.status == 0, "\(program.text.split(separator: "\n").filter { !$0.hasPrefix("ok") }) \(program.errors)")
  }
}
