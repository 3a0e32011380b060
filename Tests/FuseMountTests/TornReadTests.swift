import Foundation
import FuseMount
import Glibc
import Synchronization
import TestSupport
import Testing
import VirtualFS

/// Who opens a file on a mount, reads it to its end and closes it sees one version, whatever comes from outside meanwhile.
@Suite("Torn reads") struct TornReadTests {
  /// A minute: on a machine that is busy a reader may sleep in the middle.
  private static let patience: UInt64 = 60_000_000_000

  /// All of its bytes, and its size, tell which one it is.
  private static func version(_ number: Int, size: Int) -> [UInt8] {
    [UInt8](repeating: UInt8(number), count: size + number)
  }

  /// Reads a file whole, in pieces; tells what is wrong with it, if it is not one version.
  private static func fault(
    _ path: String, size: Int, piece: Int, _ buffer: UnsafeMutableRawBufferPointer
  ) -> String? {
    let file = unsafe open(path, O_RDONLY)
    guard file >= 0 else { return "open: \(errno)" }
    defer { close(file) }
    var count = 0
    while true {
      let read = unsafe Glibc.read(file, buffer.baseAddress?.advanced(by: count), min(piece, buffer.count - count))
      if read < 0 { return "read: \(errno)" }
      if read == 0 { break }
      count += read
    }
    guard count >= size, let base = buffer.baseAddress else { return "\(count) bytes" }
    let byte = unsafe buffer[0]
    if count != size + Int(byte) {
      return unsafe "\(count - size) bytes more of version \(byte) to \(buffer[count - 1])"
    }
    return unsafe memcmp(base, base + 1, count - 1) == 0 ? nil : "mixed"
  }

  /// Reads on three threads while another writer replaces the file all the time; returns what was wrong, and how many versions there
  /// were.
  private func race(
    _ system: MountedSystem, size: Int, piece: Int, reads: Int
  ) -> (faults: [String], versions: Int) {
    let path = system.path + "/f"
    let readers = Atomic(3)
    let faults = Mutex<[String]>([])
    system.backing.writeExternally(Self.version(0, size: size), to: "f", at: Timestamp(seconds: 1))
    system.refresh()
    let done = DispatchGroup()
    for _ in 0..<3 {
      done.enter()
      Thread {
        unsafe withUnsafeTemporaryAllocation(byteCount: size + 1024, alignment: 16) { buffer in
          for _ in 0..<reads / 3 {
            if let fault = unsafe Self.fault(path, size: size, piece: piece, buffer) {
              faults.withLock { $0.append(fault) }
            }
          }
        }
        readers.subtract(1, ordering: .relaxed)
        done.leave()
      }.start()
    }
    var versions = 0
    while readers.load(ordering: .relaxed) > 0 {
      versions += 1
      system.backing.writeExternally(Self.version(versions % 251, size: size), to: "f", at: Timestamp(seconds: 1))
      system.refresh()
      usleep(500)
    }
    done.wait()
    return (faults.withLock { $0 }, versions)
  }

  @Test(arguments: InotifyTests.Setting.allCases)
  func `no reader of 100 000 sees two versions`(setting: InotifyTests.Setting) throws {
    let system = try setting.mount(patience: Self.patience)
    let reads = setting == .cached ? 96_000 : 9_000
    let small = race(system, size: 2000, piece: 4096, reads: reads)
    #expect(small.faults == [] && small.versions > 20)
    let large = race(system, size: 300_000, piece: 65_536, reads: reads / 24)
    #expect(large.faults == [] && large.versions > 5)
  }

  @Test func `who opens a file while another holds it open waits for a bounded time`() throws {
    let system = try MountedSystem(patience: 200_000_000)
    system.backing.writeExternally([1], to: "f", at: Timestamp(seconds: 1))
    system.refresh()
    let holder = try #require(FileHandle(forReadingAtPath: system.path + "/f"))
    #expect(try holder.readToEnd() == Data([1]))
    system.backing.writeExternally([2], to: "f", at: Timestamp(seconds: 1))
    system.refresh()
    // Many more than there are workers: they occupy none.
    let waiting = DispatchGroup()
    let results = Mutex<[Data]>([])
    for _ in 0..<20 {
      waiting.enter()
      Thread {
        let bytes = (try? Data(contentsOf: URL(fileURLWithPath: system.path + "/f"))) ?? Data()
        results.withLock { $0.append(bytes) }
        waiting.leave()
      }.start()
    }
    try Program.check(["sh", "-c", "echo x > other; cat other; mkdir d; ls"], in: system.path)
    waiting.wait()
    #expect(results.withLock { $0 } == [Data](repeating: Data([2]), count: 20))
    try holder.seek(toOffset: 0)
    #expect(try holder.readToEnd() == Data([2]))
    // And an unmount lets all of them go.
    let late = try #require(FileHandle(forReadingAtPath: system.path + "/f"))
    system.backing.writeExternally([3], to: "f", at: Timestamp(seconds: 1))
    system.refresh()
    waiting.enter()
    Thread {
      _ = try? Data(contentsOf: URL(fileURLWithPath: system.path + "/f"))
      waiting.leave()
    }.start()
    system.unmount()
    waiting.wait()
    try? late.close()
  }
}
