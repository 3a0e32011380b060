import Glibc
import SecretMemory
import TestSupport
import Testing

@Suite("SecretBytes") struct SecretBytesTests {
  @Test(arguments: [1, 16, 32, 4096])
  func `holds exactly the bytes asked for`(byteCount: Int) throws {
    let secret = try SecretBytes(randomCount: byteCount)
    #expect(secret.withBytes { $0.byteCount } == byteCount)
    #expect(secret.count == byteCount)
  }

  @Test func `a copy holds the bytes copied`() throws {
    let bytes: [UInt8] = [1, 2, 3, 255]
    let secret = try unsafe SecretBytes(copying: bytes.span.bytes)
    #expect(secret.withBytes { $0.array } == bytes)
  }

  @Test func `the initializer's error leaves`() {
    struct Refusal: Error {}
    #expect(throws: Refusal.self) {
      _ = try unsafe SecretBytes(count: 4) { _ throws(Refusal) in throw Refusal() }
    }
  }

  @Test func `a key larger than memory is refused, not truncated`() {
    let error = #expect(throws: SecretMemoryError.self) { _ = try SecretBytes(randomCount: .max / 2) }
    #expect(error == .lockedMemoryExhausted(byteCount: .max / 2))
  }

  @Test func `an empty key is a programming error`() async {
    await #expect(processExitsWith: .failure) { _ = try SecretBytes(randomCount: 0) }
  }
}

@Suite("WipedBuffer") struct WipedBufferTests {
  @Test(arguments: [0, 1, 1536, 128 * 1024 - 1, 128 * 1024, 5 * 1024 * 1024 + 3])
  func `holds what is copied into it`(byteCount: Int) throws {
    var generator = SeededGenerator(seed: UInt64(byteCount))
    let bytes = generator.bytes(byteCount)
    let buffer = try unsafe WipedBuffer(copying: bytes.span.bytes)
    #expect(buffer.count == byteCount)
    #expect(buffer.withBytes { $0.array } == bytes)
    #expect(unsafe buffer.withUnsafeBytes { unsafe [UInt8]($0) } == bytes)
  }

  @Test func `what is written can be read`() throws {
    let buffer = try WipedBuffer(uninitializedCount: 300_000)
    unsafe buffer.withUnsafeMutableBytes { _ = unsafe $0.initializeMemory(as: UInt8.self, repeating: 7) }
    #expect(unsafe buffer.withUnsafeBytes { unsafe $0.allSatisfy { $0 == 7 } })
  }

  @Test func `more than there is of memory is refused`() {
    let error = #expect(throws: SecretMemoryError.self) { _ = try WipedBuffer(uninitializedCount: .max / 2) }
    #expect(error == .memoryExhausted(byteCount: .max / 2))
  }

  @Test func `large ones are kept out of core dumps`() throws {
    let buffer = try WipedBuffer(uninitializedCount: 1 << 20)
    let address = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe bytes.initializeMemory(as: UInt8.self, repeating: 1)
      return String(UInt(bitPattern: bytes.baseAddress), radix: 16)
    }
    // `dd` among a mapping's VmFlags says "do not include area into core dump" (proc(5)).
    let maps = try Program.check(["cat", "/proc/\(getpid())/smaps"]).text
    let mapping = maps.split(separator: "\n").drop { !$0.hasPrefix(address + "-") }
    let flags = mapping.first { $0.hasPrefix("VmFlags:") }
    #expect(flags?.split(separator: " ").contains("dd") == true)
    withExtendedLifetime(buffer) {}
  }

  @Test func `wiping leaves zeros`() {
    var bytes: [UInt8] = [1, 2, 3]
    unsafe bytes.withUnsafeMutableBytes { unsafe wipe($0) }
    #expect(bytes == [0, 0, 0])
    unsafe wipe(UnsafeMutableRawBufferPointer(start: nil, count: 0))
  }

  @Test func `scratch starts as zeros and carries results and errors out`() throws {
    struct Refusal: Error {}
    #expect(unsafe withWipedScratch(48) { unsafe $0.count == 48 && $0.allSatisfy { $0 == 0 } })
    #expect(throws: Refusal.self) { try unsafe withWipedScratch(8) { _ throws(Refusal) in throw Refusal() } }
  }
}
