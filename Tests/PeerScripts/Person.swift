/// One of those who act in a script.
///
/// Calls throw if they fail; what is expected of a person throws if it is not so.
package struct Person {
  let number: Int
  let stage: any Stage

  package init(number: Int, stage: any Stage) {
    self.number = number
    self.stage = stage
  }

  private var files: any PersonFiles { get throws { try stage.files(of: number) } }
  private var name: String { Script.names[number] }

  // MARK: What it does to files

  package func write(_ path: String, _ text: String) throws { try files.write(path, [UInt8](text.utf8)) }
  package func write(_ path: String, bytes: [UInt8]) throws { try files.write(path, bytes) }
  package func overwrite(_ path: String, at offset: Int, _ text: String) throws {
    try files.overwrite(path, at: offset, [UInt8](text.utf8))
  }
  package func makeDirectory(_ path: String) throws { try files.makeDirectory(path) }
  package func removeDirectory(_ path: String) throws { try files.removeDirectory(path) }
  package func rename(_ path: String, to newPath: String) throws { try files.rename(path, to: newPath) }
  package func remove(_ path: String) throws { try files.removeFile(path) }
  package func link(_ path: String, as newPath: String) throws { try files.link(path, as: newPath) }
  package func makeSymbolicLink(_ path: String, to target: String) throws {
    try files.makeSymbolicLink(path, to: target)
  }
  package func setMode(_ path: String, _ mode: UInt16) throws { try files.setMode(path, mode) }
  package func text(_ path: String) throws -> String { String(decoding: try files.read(path), as: UTF8.self) }
  package func bytes(_ path: String) throws -> [UInt8] { try files.read(path) }

  /// Saves as editors do: writes a file that has a temporary one's name, and renames it.
  package func save(_ path: String, _ text: String) throws {
    try write("\(path)~", text)
    try rename("\(path)~", to: path)
  }

  /// Opens a file, has it read by `body`, and closes it.
  package func holdingOpen(_ path: String, _ body: (() throws -> String) throws -> Void) throws {
    let files = try files
    let descriptor = try files.open(path)
    defer { files.close(descriptor: descriptor) }
    try body { String(decoding: try files.read(descriptor: descriptor), as: UTF8.self) }
  }

  // MARK: What becomes of it

  package func disconnects() throws { try stage.disconnect(number) }
  package func reconnects() throws { try stage.reconnect(number) }
  package func restarts() throws { try stage.restart(number) }
  package func backsUp() throws { try stage.backUp(number) }
  package func putsBack() throws { try stage.putBack(number) }

  // MARK: What is expected

  /// A file has this content.
  package func sees(_ path: String, _ text: String) throws {
    try expect("\(path) to be \(text.debugDescription)") { try shown(path) == .some(text) }
  }

  /// Nothing is at a path.
  package func lacks(_ path: String) throws { try expect("nothing at \(path)") { try shown(path) == nil } }

  /// A directory has these entries, and no others.
  package func lists(_ path: String, _ names: [String]) throws {
    try expect("\(path.isEmpty ? "the vault" : path) to hold \(names)") { try entries(path) == names.sorted() }
  }

  package func hasMode(_ path: String, _ mode: UInt16) throws {
    try expect("the mode of \(path) to be \(String(mode, radix: 8))") { try files.mode(path) == mode }
  }

  package func hasSymbolicLink(_ path: String, to target: String) throws {
    try expect("\(path) to lead to \(target)") { try files.readSymbolicLink(path) == target }
  }

  /// A call fails with this errno.
  package func fails(_ errno: Int32, _ body: (Person) throws -> Void) throws {
    try expect("a call to fail with errno \(errno)") {
      do { try body(self) } catch let error as CallError { return error.errno == errno }
      return false
    }
  }

  /// These values are all there, at a path or set aside because others won it, and no more are.
  package func keeps(_ values: [String], of path: String) throws {
    try expect("\(values) to be kept of \(path)") { try kept(path) == values.sorted() }
  }

  /// The value at a path, and those that are set aside for it, in order.
  func kept(_ path: String) throws -> [String] {
    var found = [try shown(path)].compactMap { $0 }
    let parts = path.split(separator: "/").map(String.init)
    let directory = ([".conflicts"] + parts.dropLast()).joined(separator: "/")
    for name in try entries(directory) where name.hasPrefix("\(parts.last ?? "")~") {
      found.append(try text("\(directory)/\(name)"))
    }
    return found.sorted()
  }

  /// A file's content; nil if none is there.
  private func shown(_ path: String) throws -> String? {
    do { return try text(path) } catch let error as CallError
      where [Errno.notFound, Errno.isDirectory].contains(error.errno)
    { return nil }
  }

  private func entries(_ path: String) throws -> [String] {
    do { return try files.list(path).sorted() } catch let error as CallError where error.errno == Errno.notFound {
      return []
    }
  }

  private func expect(_ what: String, _ condition: () throws -> Bool) throws {
    var last: (any Error)?
    let isSo = try stage.poll {
      do {
        last = nil
        return try condition()
      } catch let error as CallError {
        last = error
        return false
      }
    }
    guard isSo else {
      throw Script.Failure("\(name) expects \(what)\(last.map { ", and gets \($0)" } ?? "")")
    }
  }

  /// All paths and what is at them.
  package func tree(_ path: String = "") throws -> [String: String] {
    var tree: [String: String] = [:]
    for name in try files.list(path) {
      let child = path.isEmpty ? name : "\(path)/\(name)"
      if let target = try? files.readSymbolicLink(child) {
        tree[child] = "-> \(target)"
        continue
      }
      let mode = String(try files.mode(child), radix: 8)
      do {
        tree[child] = "\(mode) \(try text(child).debugDescription)"
      } catch let error as CallError where error.errno == Errno.isDirectory {
        tree[child] = "\(mode) directory"
        tree.merge(try self.tree(child)) { $1 }
      }
    }
    return tree
  }
}

/// Numbers of errno(3) on Linux that scripts expect.
package enum Errno {
  package static let notFound: Int32 = 2
  package static let exists: Int32 = 17
  package static let isDirectory: Int32 = 21
  package static let notEmpty: Int32 = 39
  package static let readOnly: Int32 = 30
}
