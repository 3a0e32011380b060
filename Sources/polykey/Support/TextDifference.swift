import CLinux
import Glibc
import VirtualFS

/// A unified difference of two contents by diff(1), which reads them from memory: nothing in clear reaches a disk or an argument.
enum TextDifference {
  static func show(old: Block, new: Block, labels: (String, String)) throws {
    let oldFile = try memoryFile(old)
    let newFile = try memoryFile(new)
    defer {
      close(oldFile)
      close(newFile)
    }
    let arguments = ["-u", "--label", labels.0, "--label", labels.1, "/dev/fd/3", "/dev/fd/4"]
    let status = try Child("diff", arguments, descriptors: [0, 1, 2, oldFile, newFile]).wait()
    guard status <= 1 else { throw Failure(.failed, "diff failed") }
  }

  private static func memoryFile(_ block: Block) throws -> Int32 {
    let descriptor = clinux_memory_file()
    guard descriptor >= 0 else { throw Failure(.failed, "no memory file can be had: \(ErrorNumber.text(errno))") }
    guard unsafe block.withBytes({ unsafe Console.write($0, to: descriptor) }) else {
      throw Failure(.failed, "no memory for the comparison")
    }
    return descriptor
  }
}
