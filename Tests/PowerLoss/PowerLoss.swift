import Foundation
internal import GitStore
package import TestSupport

/// What a power loss can leave of the files below a directory, told from a record of all that was done to them.
///
/// The model is a journaling file system: names change in order, so that of what no sync covers a first part is on the disk; each
/// file's data is there up to some write after its last sync, independently of names and of other files. So a renamed file may be empty,
/// and a file that is written over in place may have its old bytes under a newer name, or newer bytes under an older name.
package final class PowerLoss {
  /// Where the recorded files are.
  package let directory: String
  private let recorder: FileRecorder
  private let base: Folder
  /// Whether syncfs(2) puts anything on the disk.
  private let syncsWhole: Bool

  /// Begins to record what is done below `directory` by whoever opens something there from now on; what is there is durable.
  package init(recording directory: String, syncsWhole: Bool = true) throws {
    (self.directory, self.syncsWhole) = (directory, syncsWhole)
    base = try Folder(reading: directory)
    recorder = FileRecorder(below: directory)
  }

  /// How much was done so far.
  package var now: Int { recorder.count }

  /// Ends the record.
  package func stop() { recorder.stop() }

  deinit { recorder.stop() }

  /// Makes, at `target`, what can be found if power was lost at `moment`.
  package func leave(at moment: Int, in target: String, using generator: inout SeededGenerator) throws {
    let operations = Array(recorder.operations.prefix(moment))
    let full = base.copy()
    let kept = base.copy()
    let limit = namesOnDisk(operations, &generator)
    var files: [Int: File] = [:]
    var data: [ObjectIdentifier: [FileRecorder.Operation]] = [:]
    var synced: [ObjectIdentifier: Int] = [:]
    for (index, operation) in operations.enumerated() {
      switch operation {
      case .create(_, let number, let mode): files[number] = File(mode: mode)
      case .open(let path, let number): files[number] = try full.file(relative(path))
      case .write(let number, _, _), .truncate(let number, _):
        if let file = files[number] { data[ObjectIdentifier(file), default: []].append(operation) }
      case .syncFile(let number):
        if let file = files[number] { synced[ObjectIdentifier(file)] = data[ObjectIdentifier(file)]?.count ?? 0 }
      case .syncEverything where syncsWhole: for (file, list) in data { synced[file] = list.count }
      default: break
      }
      try change(full, operation, files)
      if index < limit { try change(kept, operation, files) }
    }
    try kept.write(to: target) { file in
      let list = data[ObjectIdentifier(file)] ?? []
      return Self.contents(file.bytes, list, synced[ObjectIdentifier(file)] ?? 0, &generator)
    }
  }

  /// How many of the operations the disk has, as far as they change names.
  private func namesOnDisk(_ operations: [FileRecorder.Operation], _ generator: inout SeededGenerator) -> Int {
    var least = 0
    var last: [String: Int] = [:]
    func parent(_ path: String) -> String { (path as NSString).deletingLastPathComponent }
    for (index, operation) in operations.enumerated() {
      switch operation {
      case .makeDirectory(let path), .create(let path, _, _), .remove(let path): last[parent(path)] = index + 1
      case .rename(let one, let other), .exchange(let one, let other):
        last[parent(one)] = index + 1
        last[parent(other)] = index + 1
      case .syncDirectory(let path): least = max(least, last[path] ?? 0)
      case .syncEverything where syncsWhole: least = index
      default: break
      }
    }
    switch Int.random(in: 0..<10, using: &generator) {
    case 0..<4: return operations.count
    case 4..<6: return least
    default: return Int.random(in: least...operations.count, using: &generator)
    }
  }

  /// What is on the disk of a file that had `bytes` and then these changes, of which `synced` are there for sure.
  private static func contents(
    _ bytes: [UInt8], _ changes: [FileRecorder.Operation], _ synced: Int, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    var bytes = bytes
    var count = changes.count
    if synced < count {
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<4: count = synced
      case 4..<7: break
      default: count = Int.random(in: synced...count, using: &generator)
      }
    }
    for (index, change) in changes.prefix(count).enumerated() {
      switch change {
      case .write(_, let offset, var new):
        // The last one may be there in part.
        if index >= synced, index == count - 1, Int.random(in: 0..<4, using: &generator) == 0 {
          new = Array(new.prefix(Int.random(in: 0...new.count, using: &generator)))
        }
        if bytes.count < offset + new.count { bytes += [UInt8](repeating: 0, count: offset + new.count - bytes.count) }
        bytes.replaceSubrange(offset..<(offset + new.count), with: new)
      case .truncate(_, let size):
        bytes = Array(bytes.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - bytes.count))
      default: break
      }
    }
    return bytes
  }

  private func relative(_ path: String) -> [Substring] { path.dropFirst(directory.count).split(separator: "/") }

  private func change(_ root: Folder, _ operation: FileRecorder.Operation, _ files: [Int: File]) throws {
    switch operation {
    case .makeDirectory(let path): try root.set(relative(path), .folder(Folder()))
    case .create(let path, let number, _): try root.set(relative(path), files[number].map(Folder.Entry.file))
    case .rename(let old, let new):
      let entry = try root.entry(relative(old))
      try root.set(relative(old), nil)
      try root.set(relative(new), entry)
    case .exchange(let one, let other):
      let (first, second) = (try root.entry(relative(one)), try root.entry(relative(other)))
      try root.set(relative(one), second)
      try root.set(relative(other), first)
    case .remove(let path): try root.set(relative(path), nil)
    case .setMode(let path, let mode): if case .file(let file)? = try root.entry(relative(path)) { file.mode = mode }
    case .open, .write, .truncate, .syncFile, .syncDirectory, .syncEverything: break
    }
  }
}
