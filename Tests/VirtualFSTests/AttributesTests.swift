import Synchronization
import Testing

@testable import VirtualFS

@Suite("Attributes and directories") struct AttributesTests {
  @Test func `extended attributes with the limits of Linux`() throws {
    let f = Fixture()
    try f.put("x", "1")
    let x = try f.inode("x")
    let key = Array("user.key".utf8)
    expect(.noAttribute) { _ = try f.fs.attribute(key, of: x) }
    expect(.noAttribute) { try f.fs.setAttribute(key, of: x, to: [1], mode: .replace, by: user) }
    try f.fs.setAttribute(key, of: x, to: [1], mode: .create, by: user)
    expect(.exists) { try f.fs.setAttribute(key, of: x, to: [1], mode: .create, by: user) }
    try f.fs.setAttribute(key, of: x, to: [0, 255], mode: .any, by: user)
    #expect(try f.fs.attribute(key, of: x) == [0, 255])
    expect(.rangeTooSmall) {
      try f.fs.setAttribute([UInt8](repeating: 65, count: 256), of: x, to: [], mode: .any, by: user)
    }
    expect(.argumentListTooLong) {
      try f.fs.setAttribute(key, of: x, to: [UInt8](repeating: 0, count: 65_537), mode: .any, by: user)
    }
    expect(.notSupported) {
      try f.fs.setAttribute(Array("system.other".utf8), of: x, to: [], mode: .any, by: user)
    }
    try f.sync()
    let again = f.remounted()
    #expect(try again.fs.attributeNames(of: again.inode("x")) == [key])
    try f.fs.removeAttribute(key, of: x, by: user)
    expect(.noAttribute) { try f.fs.removeAttribute(key, of: x, by: user) }
    let capability = Array("security.capability".utf8)
    try f.fs.setAttribute(capability, of: x, to: [1], mode: .any, by: superuser)
    try f.put("x", "2")
    expect(.noAttribute) { _ = try f.fs.attribute(capability, of: x) }
    for i in 0..<260 {
      let name = [UInt8](repeating: 65, count: 250) + Array("\(1000 + i)".utf8)
      do { try f.fs.setAttribute(name, of: x, to: [], mode: .any, by: user) } catch {
        #expect(error.code == .noSpace && i > 250)
      }
    }
  }

  @Test func `listing goes on where it stopped while entries change`() throws {
    let f = Fixture()
    try f.mkdir("d")
    for i in 0..<300 { try f.put("d/\(i)", "") }
    let d = try f.inode("d")
    var seen: [String] = []
    var offset: UInt64 = 0
    var round = 0
    while true {
      var taken = 0
      try f.fs.readDirectory(d, from: offset, plus: false) { entry in
        guard taken < 7 else { return false }
        taken += 1
        seen.append(String(decoding: entry.name, as: UTF8.self))
        offset = entry.nextOffset
        return true
      }
      if taken == 0 { break }
      round += 1
      // Entries that are removed, made, moved in place and replaced meanwhile.
      if round <= 20 {
        try f.unlink("d/\(round - 1)")
        try f.rename("d/\(100 + round)", "d/renamed\(round)")
        try f.rename("d/\(299 - round)", "d/\(200 + round)")
        try f.put("d/new\(round)", "")
      }
    }
    #expect(Set(seen).count == seen.count)
    for i in 20..<300 where !(101...120).contains(i) && !(279..<299).contains(i) { #expect(seen.contains("\(i)")) }
    for round in 1...20 { #expect(seen.contains("\(100 + round)") || seen.contains("renamed\(round)")) }
  }

  @Test func `readdirplus counts one lookup for each entry taken`() throws {
    let f = Fixture()
    for i in 0..<100 { try f.put("\(i)", "") }
    var taken: [InodeID] = []
    try f.fs.readDirectory(.root, from: 0, plus: true) { entry in
      guard taken.count < 30 else { return false }
      if let attributes = entry.attributes { taken.append(attributes.inode) }
      return true
    }
    for i in 0..<100 { try f.unlink("\(i)") }
    #expect(f.fs.state.withLock { $0.inodes.count } == 31)
    for inode in taken { f.fs.forget(inode, lookups: 1) }
    #expect(f.fs.state.withLock { $0.inodes.count } == 1)
  }

  @Test func `dots and parents`() throws {
    let f = Fixture()
    try f.mkdir("a")
    try f.mkdir("a/b")
    let (a, b) = (try f.inode("a"), try f.inode("a/b"))
    var dots: [InodeID] = []
    try f.fs.readDirectory(b, from: 0, plus: true) { entry in
      dots.append(entry.inode)
      #expect(entry.attributes == nil)
      return true
    }
    #expect(dots == [b, a])
    #expect(try f.fs.parent(of: b) == a && f.fs.parent(of: .root) == .root)
    #expect(try f.stat("a").links == 3)
  }

  @Test func `permissions are checked if asked for`() throws {
    let f = Fixture(MemoryBacking()) {
      $0.enforcesPermissions = true
      $0.rootMode = 0o1777
    }
    let other = Credentials(user: 2000, group: 2000)
    try f.put("mine", "1")
    try f.set("mine") { $0.mode = 0o640 }
    expect(.accessDenied) { _ = try f.open("mine", .readOnly, by: other) }
    _ = try f.open("mine", .readOnly, by: Credentials(user: 2000, group: 1, supplementaryGroups: [1000]))
    expect(.notPermitted) { try f.unlink("mine", by: other) }
    expect(.notPermitted) { try f.rename("mine", "theirs", by: other) }
    expect(.notPermitted) { try f.set("mine", by: other) { $0.mode = 0o777 } }
    expect(.notPermitted) { try f.set("mine") { $0.owner = 2000 } }
    expect(.notPermitted) { try f.set("mine") { $0.group = 2000 } }
    expect(.accessDenied) { try f.set("mine", by: other) { $0.modified = .now } }
    expect(.notPermitted) { try f.set("mine", by: other) { $0.modified = .at(Timestamp(seconds: 0)) } }
    try f.mkdir("closed", mode: 0o700)
    expect(.accessDenied) { try f.mkdir("closed/x", by: other) }
    expect(.accessDenied) { try f.fs.access(f.inode("mine"), mask: 1, by: superuser) }
    try f.fs.access(f.inode("mine"), mask: 6, by: user)
  }
}
