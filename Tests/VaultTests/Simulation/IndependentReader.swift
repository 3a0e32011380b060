import Age
import GitStore
import SecretMemory
import VirtualFS

@testable import Vault

/// A second reading of what a version shows, written from docs/format.md alone ("Data tree", "Secret object", "What is shown").
///
/// Of the program it uses git's objects and age; names, tar members and the rules of paths are read here once more, slowly and simply.
struct IndependentReader {
  /// What is at a path.
  struct Node: Hashable, CustomStringConvertible {
    /// The typeflag.
    let kind: UInt8
    let mode: UInt16
    /// A file's content, or a symbolic link's target.
    let bytes: [UInt8]
    /// What has the same number is one file under several names.
    var file = 0

    var description: String {
      "\(String(decoding: [kind], as: UTF8.self)) \(String(mode, radix: 8)) \(bytes.count) bytes beginning with \(bytes.prefix(8)), file \(file)"
    }
  }

  /// A line that a reader of this page cannot get over.
  struct Malformed: Error {
    let what: String
    init(_ what: String) { self.what = what }
  }

  private struct Stored {
    let id: String
    let lost: String?
    let node: Node
    let paths: [[UInt8]]
  }

  let repository: Repository
  let keys: [X25519Identity]

  /// Reads a repository with the keys that an identity opens in the members' log and in its forks that lost.
  init(_ repository: Repository, identity: X25519Identity) throws {
    self.repository = repository
    var keys: [X25519Identity] = []
    let branches = try repository.references(under: "refs/heads/lost/").map(\.object)
    let members = try repository.references(under: "refs/heads/members").map(\.object)
    for tip in members + branches {
      for entry in try repository.entries(ofTree: try repository.loadCommit(tip).tree)
      where entry.name == [UInt8]("keys".utf8) {
        for key in try repository.entries(ofTree: entry.object) {
          let file = try repository.loadBlob(key.object)
          guard let text = unsafe try? AgeFile.decrypt(file.span.bytes, with: [identity]) else { continue }
          keys += try text.withBytes { try KeyFile.identities(in: $0) }
        }
      }
    }
    self.keys = keys
  }

  /// All that a commit shows, by paths, `.conflicts` included; nil if some of it is under a key that is not here.
  func tree(of commit: ObjectName) throws -> [[UInt8]: Node]? {
    var stored: [Stored] = []
    for entry in try repository.entries(ofTree: try repository.loadCommit(commit).tree) {
      let name = String(decoding: entry.name, as: UTF8.self)
      if name == "README.md" { continue }
      if name != "conflicts" {
        guard try read(entry.object, fan: name, isLost: false, into: &stored) else { return nil }
        continue
      }
      for fan in try repository.entries(ofTree: entry.object) {
        let name = String(decoding: fan.name, as: UTF8.self)
        guard try read(fan.object, fan: name, isLost: true, into: &stored) else { return nil }
      }
    }
    return show(stored)
  }

  // MARK: Data tree

  /// Reads `XX/`; false if a key is missing.
  private func read(_ tree: ObjectName, fan: String, isLost: Bool, into stored: inout [Stored]) throws -> Bool {
    var blobs: [(name: String, blobs: [ObjectName])] = []
    for entry in try repository.entries(ofTree: tree) {
      let parts = String(decoding: entry.name, as: UTF8.self).split(separator: ".")
      guard parts.last == "age", 2...3 ~= parts.count else { throw Malformed("name") }
      if parts.count == 2 {
        blobs.append((String(parts[0]), [entry.object]))
      } else {
        guard let last = blobs.indices.last, blobs[last].name == parts[0], parts[1].first == "p",
          Int(parts[1].dropFirst()) == blobs[last].blobs.count - 1
        else { throw Malformed("part") }
        blobs[last].blobs.append(entry.object)
      }
    }
    for (name, blobs) in blobs {
      let words = name.split(separator: "~")
      guard words.count == (isLost ? 2 : 1), words[0].count == 30 else { throw Malformed("digits") }
      guard let plain = try decrypt(blobs) else { return false }
      let (node, paths) = try parse(plain)
      stored.append(Stored(id: fan + words[0], lost: isLost ? String(words[1]) : nil, node: node, paths: paths))
    }
    return true
  }

  /// The plaintexts of an object and its parts, one behind the other; nil if no key opens one.
  private func decrypt(_ blobs: [ObjectName]) throws -> [UInt8]? {
    var plain: [UInt8] = []
    for blob in blobs {
      let file = try repository.loadBlob(blob)
      do {
        unsafe try AgeFile.decrypt(file.span.bytes, with: keys).withBytes { bytes in
          unsafe bytes.withUnsafeBytes { unsafe plain.append(contentsOf: $0) }
        }
      } catch AgeError.noIdentityMatched {
        return nil
      }
    }
    return plain
  }

  // MARK: Secret object

  private func parse(_ plain: [UInt8]) throws -> (node: Node, paths: [[UInt8]]) {
    var offset = 0
    var node: Node?
    var paths: [[UInt8]] = []
    var records: [String: [UInt8]] = [:]
    while offset < plain.count {
      guard plain.count >= offset + 512 else { throw Malformed("block") }
      let header = plain[offset..<offset + 512]
      func field(_ start: Int, _ count: Int) -> [UInt8] {
        [UInt8](header[(offset + start)..<(offset + start + count)].prefix { $0 != 0 })
      }
      func number(_ start: Int, _ count: Int) throws -> Int {
        guard let value = Int(String(decoding: field(start, count), as: UTF8.self).filter { $0 != " " }, radix: 8)
        else { throw Malformed("number") }
        return value
      }
      let kind = header[offset + 156]
      var size = try number(124, 12)
      if kind == UInt8(ascii: "x") {
        records = try IndependentReader.records(plain[(offset + 512)..<(offset + 512 + size)])
        offset += 512 + (size + 511) / 512 * 512
        continue
      }
      if let text = records["size"] { size = Int(String(decoding: text, as: UTF8.self)) ?? -1 }
      var path = records["path"] ?? field(0, 100)
      let link = records["linkpath"] ?? field(157, 100)
      records = [:]
      offset += 512
      if node == nil {
        guard size >= 0, offset + size <= plain.count else { throw Malformed("size") }
        let content = kind == UInt8(ascii: "2") ? link : [UInt8](plain[offset..<offset + size])
        node = Node(kind: kind, mode: UInt16(try number2(header, 100)), bytes: content)
        if kind == UInt8(ascii: "5"), path.last == 0x2F { path.removeLast() }
        if path == [0x2E] { path = [] }
        offset += (size + 511) / 512 * 512
      } else {
        guard kind == UInt8(ascii: "1"), link == paths[0] else { throw Malformed("link") }
      }
      paths.append(path)
    }
    guard let node else { throw Malformed("nothing") }
    return (node, paths)
  }

  private func number2(_ header: ArraySlice<UInt8>, _ start: Int) throws -> Int {
    let digits = header.dropFirst(start).prefix(8).prefix { $0 != 0 && $0 != 0x20 }
    guard let value = Int(String(decoding: digits, as: UTF8.self), radix: 8) else { throw Malformed("mode") }
    return value
  }

  /// pax records: a length, a space, a key, `=`, a value, LF.
  private static func records(_ bytes: ArraySlice<UInt8>) throws -> [String: [UInt8]] {
    var records: [String: [UInt8]] = [:]
    var rest = bytes
    while !rest.isEmpty {
      guard let space = rest.firstIndex(of: 0x20), let equals = rest.firstIndex(of: 0x3D),
        let length = Int(String(decoding: rest[..<space], as: UTF8.self)), length > 0, length <= rest.count
      else { throw Malformed("record") }
      let end = rest.startIndex + length
      records[String(decoding: rest[(space + 1)..<equals], as: UTF8.self)] = [UInt8](rest[(equals + 1)..<(end - 1)])
      rest = rest[end...]
    }
    return records
  }

  // MARK: What is shown

  private func show(_ stored: [Stored]) -> [[UInt8]: Node] {
    var claims: [[UInt8]: [Stored]] = [:]
    var through: Set<[UInt8]> = []
    for object in stored where object.lost == nil {
      for path in object.paths {
        claims[path, default: []].append(object)
        through.formUnion(IndependentReader.above(path))
      }
    }
    func keeps(_ object: Stored, _ path: [UInt8]) -> Bool {
      let claimants = claims[path] ?? []
      let directories = claimants.filter { $0.node.kind == UInt8(ascii: "5") }
      if let best = directories.map(\.id).max() { return object.id == best }
      return !through.contains(path) && claimants.map(\.id).max() == object.id
    }
    var shown: [[UInt8]: Node] = [:]
    var aside: [(name: [UInt8], long: [UInt8], node: Node)] = []
    for (number, object) in stored.enumerated() {
      var node = object.node
      node.file = number
      for path in object.paths {
        if object.lost == nil, keeps(object, path) {
          shown[path] = node
        } else if object.lost != nil || object.node.kind != UInt8(ascii: "5") {
          let mark = object.lost ?? String(object.id.prefix(8))
          let longMark = object.lost.map { "\(object.id)~\($0)" } ?? object.id
          aside.append((IndependentReader.aside(path, mark), IndependentReader.aside(path, longMark), node))
        }
      }
    }
    var wanted: [[UInt8]: Set<Int>] = [:]
    for (name, _, node) in aside { wanted[name, default: []].insert(node.file) }
    for (name, long, node) in aside {
      shown[wanted[name]?.count == 1 && claims[name] == nil ? name : long] = node
    }
    for path in Array(shown.keys) {
      for directory in IndependentReader.above(path) where shown[directory] == nil {
        shown[directory] = Node(kind: UInt8(ascii: "5"), mode: 0o700, bytes: [])
      }
    }
    return shown
  }

  /// The directories that a path leads through.
  private static func above(_ path: [UInt8]) -> [[UInt8]] {
    path.indices.filter { path[$0] == 0x2F }.map { Array(path[..<$0]) }
  }

  private static func aside(_ path: [UInt8], _ mark: String) -> [UInt8] {
    let name = path.split(separator: 0x2F).last ?? []
    let surplus = max(0, name.count + 1 + mark.utf8.count - 255)
    return [UInt8](".conflicts/".utf8) + path.dropLast(surplus) + [0x7E] + mark.utf8
  }
}
