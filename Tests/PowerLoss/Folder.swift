import Foundation
import TestSupport

/// A file of the model: an inode.
final class File {
  var mode: UInt32
  /// What it had when the record began.
  let bytes: [UInt8]

  init(mode: UInt32, bytes: [UInt8] = []) { (self.mode, self.bytes) = (mode, bytes) }
}

/// A directory of the model.
final class Folder {
  enum Entry {
    case file(File)
    case folder(Folder)
  }

  private var entries: [String: Entry] = [:]

  init() {}

  /// The directory at `path`, with all in it.
  init(reading path: String) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: path) {
      let child = "\(path)/\(name)"
      let attributes = try FileManager.default.attributesOfItem(atPath: child)
      if attributes[.type] as? FileAttributeType == .typeDirectory {
        entries[name] = .folder(try Folder(reading: child))
      } else {
        let mode = (attributes[.posixPermissions] as? NSNumber)?.uint32Value ?? 0o644
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: child)))
        entries[name] = .file(File(mode: mode, bytes: bytes))
      }
    }
  }

  /// The same names for the same files.
  func copy() -> Folder {
    let copy = Folder()
    copy.entries = entries.mapValues { if case .folder(let folder) = $0 { .folder(folder.copy()) } else { $0 } }
    return copy
  }

  /// The directory that a path is in.
  private func parent(_ path: [Substring]) throws -> Folder {
    var folder = self
    for name in path.dropLast() {
      guard case .folder(let next)? = folder.entries[String(name)] else {
        throw Program.Failure(description: "no directory \(path.joined(separator: "/")) in the record")
      }
      folder = next
    }
    return folder
  }

  func entry(_ path: [Substring]) throws -> Entry? { try parent(path).entries[String(path.last ?? "")] }

  func set(_ path: [Substring], _ entry: Entry?) throws { try parent(path).entries[String(path.last ?? "")] = entry }

  func file(_ path: [Substring]) throws -> File {
    guard case .file(let file)? = try entry(path) else {
      throw Program.Failure(description: "no file \(path.joined(separator: "/")) in the record")
    }
    return file
  }

  /// Makes it at `path`; a repository's session is one of before the machine was started.
  func write(to path: String, contents: (File) -> [UInt8]) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
      switch entry {
      case .folder(let folder): try folder.write(to: "\(path)/\(name)", contents: contents)
      case .file(let file):
        var bytes = contents(file)
        if path.hasSuffix("/polykey"), name == "session", let space = bytes.firstIndex(of: 0x20) {
          bytes = Array("00000000-0000-0000-0000-000000000000".utf8) + bytes[space...]
        }
        let target = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: target))
        try FileManager.default.setAttributes(
          [.posixPermissions: NSNumber(value: file.mode & 0o7777)], ofItemAtPath: target)
      }
    }
  }
}
