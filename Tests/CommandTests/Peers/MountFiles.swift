import Foundation
import PeerScripts

/// A person's calls, made as programs make them: to the kernel.
final class MountFiles: PersonFiles {
  private let directory: String

  /// The calls under a directory.
  init(_ directory: String) { self.directory = directory }

  private func full(_ path: String) -> String { path.isEmpty ? directory : "\(directory)/\(path)" }

  @discardableResult
  private func check<Value: SignedInteger>(_ result: Value) throws -> Value {
    guard result >= 0 else { throw CallError(errno) }
    return result
  }

  func write(_ path: String, _ bytes: [UInt8]) throws {
    try write(bytes, at: 0, to: try check(unsafe Glibc.open(full(path), O_WRONLY | O_CREAT | O_TRUNC, 0o644)))
  }

  func overwrite(_ path: String, at offset: Int, _ bytes: [UInt8]) throws {
    try write(bytes, at: offset, to: try check(unsafe Glibc.open(full(path), O_WRONLY)))
  }

  private func write(_ bytes: [UInt8], at offset: Int, to descriptor: Int32) throws {
    var done = 0
    while done < bytes.count {
      let result = unsafe bytes[done...].withUnsafeBytes {
        unsafe pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset + done))
      }
      guard result > 0 else {
        let error = CallError(errno)
        Glibc.close(descriptor)
        throw error
      }
      done += result
    }
    try check(Glibc.close(descriptor))
  }

  func read(_ path: String) throws -> [UInt8] {
    let descriptor = try open(path)
    defer { close(descriptor: descriptor) }
    return try read(descriptor: descriptor)
  }

  func open(_ path: String) throws -> Int { Int(try check(unsafe Glibc.open(full(path), O_RDONLY))) }

  func read(descriptor: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = try check(
        unsafe buffer.withUnsafeMutableBytes {
          unsafe pread(Int32(descriptor), $0.baseAddress, $0.count, off_t(bytes.count))
        })
      if count == 0 { return bytes }
      bytes += buffer[..<count]
    }
  }

  func close(descriptor: Int) { Glibc.close(Int32(descriptor)) }
  func makeDirectory(_ path: String) throws { try check(unsafe mkdir(full(path), 0o755)) }
  func removeDirectory(_ path: String) throws { try check(unsafe rmdir(full(path))) }
  func rename(_ path: String, to newPath: String) throws { try check(unsafe Glibc.rename(full(path), full(newPath))) }
  func removeFile(_ path: String) throws { try check(unsafe unlink(full(path))) }
  func link(_ path: String, as newPath: String) throws { try check(unsafe Glibc.link(full(path), full(newPath))) }
  func makeSymbolicLink(_ path: String, to target: String) throws { try check(unsafe symlink(target, full(path))) }
  func setMode(_ path: String, _ mode: UInt16) throws { try check(unsafe chmod(full(path), mode_t(mode))) }

  func readSymbolicLink(_ path: String) throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = try check(unsafe readlink(full(path), &buffer, buffer.count))
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func mode(_ path: String) throws -> UInt16 {
    var status = stat()
    try check(unsafe stat(full(path), &status))
    return UInt16(status.st_mode & 0o7777)
  }

  func list(_ path: String) throws -> [String] {
    guard let stream = unsafe opendir(full(path)) else { throw CallError(errno) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if ![".", "..", ".conflicts"].contains(name) { names.append(name) }
    }
    return names.sorted()
  }
}
