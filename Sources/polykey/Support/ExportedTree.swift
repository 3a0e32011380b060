import CLinux
import Glibc
import Vault
import VirtualFS

/// Writes a vault's nodes into a directory, as `polykey export` does.
final class ExportedTree {
  /// Why something is not, or not wholly, in the directory.
  enum Omission: Hashable {
    case device, setID, attributes, owner, damaged
    case failed(Int32)

    var sentence: String {
      switch self {
      case .device: "left out: a device"
      case .setID: "left out: its set-id bits"
      case .attributes: "left out: extended attributes"
      case .owner: "left out: its owner"
      case .damaged: "left out: damaged, or under a key that this machine was not given"
      case .failed(let code): "left out: \(ErrorNumber.text(code))"
      }
    }
  }

  private let vault: Vault
  private let directory: ExportDirectory
  private let isFull: Bool
  private let isRoot = geteuid() == 0
  private(set) var damagedCount = 0
  private(set) var failureCount = 0
  private var report: ([UInt8], Omission) -> Void = { _, _ in }

  init(of vault: Vault, in directory: ExportDirectory, isFull: Bool) {
    self.vault = vault
    self.directory = directory
    self.isFull = isFull
  }

  /// Writes everything, and calls `report` with each path that is left out, or lacks something.
  func write(_ nodes: [StoredNode], report: @escaping ([UInt8], Omission) -> Void) throws {
    self.report = report
    func order(_ nodes: [StoredNode]) -> [StoredNode] {
      nodes.sorted { ($0.paths.first ?? []).lexicographicallyPrecedes($1.paths.first ?? []) }
    }
    let directories = order(nodes.filter { if case .directory = $0.body { true } else { false } })
    let links = order(nodes.filter { if case .symbolicLink = $0.body { true } else { false } })
    let others = order(
      nodes.filter {
        switch $0.body {
        case .directory, .symbolicLink: false
        case .regular, .fifo, .characterDevice, .blockDevice: true
        }
      })
    for node in directories where !(node.paths.first ?? []).isEmpty {
      try attempt(node) { path in
        try directory.makeParents(of: path)
        do throws(ExportDirectory.Failed) { try directory.makeDirectory(path) } catch {
          // It was made for a deeper one.
          guard error.code == EEXIST else { throw error }
        }
      }
    }
    // Links come last, and directories' times after what is in them.
    for node in others + links { try attempt(node) { path in try write(node, at: path) } }
    for node in directories.reversed() {
      try attempt(node) { path in
        try directory.withDirectory(path) { try finish(node, $0) }
      }
    }
  }

  /// Runs `body` with a node's first path; what goes wrong with one is told, and the others go on.
  private func attempt(_ node: StoredNode, _ body: ([UInt8]) throws -> Void) throws {
    let path = node.paths.first ?? []
    do {
      try body(path)
    } catch let error as ExportDirectory.Failed {
      guard error.code != ENOSPC, error.code != EDQUOT, error.code != EROFS else {
        throw Failure(.noSpace, "no space left where the files are written")
      }
      failureCount += 1
      report(path, .failed(error.code))
    } catch let error as VaultError {
      guard error.isUnreadable else { throw error }
      directory.removeFile(path)
      damagedCount += 1
      report(path, .damaged)
    }
  }

  private func write(_ node: StoredNode, at path: [UInt8]) throws {
    if case .characterDevice = node.body, !isFull { return report(path, .device) }
    if case .blockDevice = node.body, !isFull { return report(path, .device) }
    try directory.makeParents(of: path)
    switch node.body {
    case .directory: return
    case .regular:
      try directory.makeFile(path) { file in
        try fill(file, node)
        try finish(node, file)
      }
    case .symbolicLink(let target): try directory.makeSymbolicLink(path, to: target)
    case .fifo: try directory.makeNode(path, mode: S_IFIFO | mode_t(node.mode & 0o700))
    case .characterDevice(let major, let minor):
      try directory.makeNode(path, mode: S_IFCHR | 0o600, device: makedev(major, minor))
    case .blockDevice(let major, let minor):
      try directory.makeNode(path, mode: S_IFBLK | 0o600, device: makedev(major, minor))
    }
    if case .regular = node.body {} else { try finishByName(node, at: path) }
    for link in node.paths.dropFirst() {
      try directory.makeParents(of: link)
      try directory.makeLink(link, to: path)
    }
  }

  /// Writes a file's content; pieces that are all zeros become holes.
  private func fill(_ file: Int32, _ node: StoredNode) throws {
    guard case .regular(let content) = node.body else { return }
    guard ftruncate(file, off_t(clamping: content.size)) == 0 else { throw ExportDirectory.Failed(code: errno) }
    var offset: Int64 = 0
    var code: Int32 = 0
    unsafe try VersionHistory(of: vault).content(of: node) { bytes throws(VaultError) in
      defer { offset += Int64(bytes.count) }
      guard code == 0, unsafe !bytes.allSatisfy({ $0 == 0 }) else { return }
      var done = 0
      while done < bytes.count {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
        let count = unsafe pwrite(file, rest.baseAddress, rest.count, off_t(clamping: offset + Int64(done)))
        if count < 0 {
          if errno == EINTR { continue }
          code = errno
          return
        }
        done += count
      }
    }
    guard code == 0 else { throw ExportDirectory.Failed(code: code) }
  }

  // MARK: attributes

  /// Gives an open file or directory what is stored of it, as far as that is wanted.
  private func finish(_ node: StoredNode, _ file: Int32) throws {
    let path = node.paths.first ?? []
    var isLeftOut = false
    for (name, value) in node.extendedAttributes {
      var isSet = false
      if isFull || name.starts(with: "user.".utf8) {
        isSet = unsafe ExportDirectory.withText(name) { name in
          unsafe value.withUnsafeBytes { unsafe clinux_set_attribute(file, name, $0.baseAddress, $0.count, 0) } == 0
        }
      }
      isLeftOut = isLeftOut || !isSet
    }
    if isLeftOut { report(path, .attributes) }
    if isFull, isRoot, fchown(file, node.owner, node.group) != 0 { report(path, .owner) }
    // After the owner, as changing that takes set-id bits away.
    guard fchmod(file, mode(of: node)) == 0 else { throw ExportDirectory.Failed(code: errno) }
    guard unsafe ExportedTree.times(of: node).withUnsafeBufferPointer({ unsafe futimens(file, $0.baseAddress) }) == 0
    else { throw ExportDirectory.Failed(code: errno) }
  }

  /// The same of what is not opened: links, pipes and devices.
  private func finishByName(_ node: StoredNode, at path: [UInt8]) throws {
    if !node.extendedAttributes.isEmpty { report(path, .attributes) }
    let flag = AT_SYMLINK_NOFOLLOW
    if isFull, isRoot { try unsafe directory.at(path) { unsafe fchownat($0, $1, node.owner, node.group, flag) } }
    // This process made it, in a directory of its own; a link has no mode.
    if case .symbolicLink = node.body {
    } else {
      let mode = mode(of: node)
      try unsafe directory.at(path) { unsafe fchmodat($0, $1, mode, 0) }
    }
    try unsafe directory.at(path) { directory, name in
      unsafe ExportedTree.times(of: node).withUnsafeBufferPointer { times in
        guard let times = times.baseAddress else { return -1 }
        return unsafe utimensat(directory, name, times, flag)
      }
    }
  }

  private func mode(of node: StoredNode) -> mode_t {
    if isFull { return mode_t(node.mode) }
    if node.mode & 0o6000 != 0 { report(node.paths.first ?? [], .setID) }
    let rights = mode_t(node.mode & 0o700)
    // Who writes into a directory, or lists it, is its owner.
    if case .directory = node.body { return rights | 0o700 }
    return rights
  }

  /// atime and mtime.
  private static func times(of node: StoredNode) -> [timespec] {
    let time = timespec(tv_sec: Int(node.modified.seconds), tv_nsec: Int(node.modified.nanoseconds))
    return [time, time]
  }

  /// glibc's makedev(3).
  private func makedev(_ major: UInt32, _ minor: UInt32) -> dev_t {
    let (major, minor) = (UInt64(major), UInt64(minor))
    return dev_t(
      (major & 0xFFFF_F000) << 32 | (major & 0xFFF) << 8 | (minor & 0xFFFF_FF00) << 12 | (minor & 0xFF))
  }
}
