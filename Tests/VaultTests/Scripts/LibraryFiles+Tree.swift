import PeerScripts
import VirtualFS

extension LibraryFiles {
  /// All that is shown, by paths, `.conflicts` included, as ``IndependentReader`` has it.
  func tree() throws -> [[UInt8]: IndependentReader.Node] {
    var tree: [[UInt8]: IndependentReader.Node] = [:]
    var pending: [(path: [UInt8], inode: InodeID)] = [([], .root)]
    while let (directory, inode) = pending.popLast() {
      var entries: [DirectoryEntry] = []
      try fs.readDirectory(inode, from: 0, plus: true) { entry in
        if entry.name != [0x2E], entry.name != [0x2E, 0x2E] { entries.append(entry) }
        return true
      }
      for entry in entries {
        let path = directory.isEmpty ? entry.name : directory + [0x2F] + entry.name
        let found = try fs.lookup(try Name(entry.name), in: inode).attributes
        defer { fs.forget(found.inode, lookups: 1) }
        let mode = found.mode & 0o7777
        var node: IndependentReader.Node
        switch found.kind {
        case .directory:
          node = IndependentReader.Node(kind: UInt8(ascii: "5"), mode: mode, bytes: [])
          pending.append((path, found.inode))
        case .symbolicLink:
          node = IndependentReader.Node(kind: UInt8(ascii: "2"), mode: mode, bytes: try fs.readLink(found.inode))
        default: node = IndependentReader.Node(kind: UInt8(ascii: "0"), mode: mode, bytes: try content(found.inode))
        }
        node.file = Int(found.inode.rawValue)
        tree[path] = node
      }
    }
    return tree
  }

  private func content(_ inode: InodeID) throws -> [UInt8] {
    var options = OpenOptions()
    options.read = true
    let handle = try fs.open(inode, options: options, by: user)
    defer { fs.release(handle) }
    return try unsafe fs.read(handle, at: 0, count: 1 << 26) { unsafe [UInt8]($0) }
  }

  /// Exchanges what is at two paths.
  func exchange(_ path: String, with other: String) throws {
    try call {
      let (old, new) = (try split(path), try split(other))
      try reply {
        fs.rename(old.name, in: old.parent, to: new.name, in: new.parent, flags: .exchange, by: user, reply: $0)
      }
    }
  }

  /// Stores all that waits to be.
  func synchronize() throws { try call { try reply { fs.synchronizeAll(reply: $0) } } }
}
