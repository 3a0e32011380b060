import Testing

@testable import VirtualFS

/// POSIX access control lists: what follows from them, and they from what.
@Suite("Access control lists") struct AccessControlTests {
  private typealias Entry = (tag: UInt8, permissions: UInt8, id: UInt32)

  private func list(_ entries: [Entry]) -> [UInt8] {
    [2, 0, 0, 0]
      + entries.flatMap { entry in
        [entry.tag, 0, entry.permissions, 0] + (0..<4).map { UInt8(truncatingIfNeeded: entry.id >> UInt32(8 * $0)) }
      }
  }

  private let named: [Entry] = [(1, 6, .max), (2, 6, 2000), (4, 4, .max), (16, 6, .max), (32, 0, .max)]

  private func set(_ f: Fixture, _ path: String, _ name: [UInt8], _ value: [UInt8]) throws {
    try f.fs.setAttribute(name, of: f.inode(path), to: value, mode: .any, by: user)
  }

  @Test func `a file's mode follows from its list, and the list from chmod, and both are stored`() throws {
    let f = Fixture()
    try f.put("x", "1")
    try set(f, "x", AccessControlList.access, list(named))
    #expect(try f.stat("x").mode == 0o660)
    try f.set("x") { $0.mode = 0o640 }
    var expected = named
    expected[3].permissions = 4
    #expect(try f.fs.attribute(AccessControlList.access, of: f.inode("x")) == list(expected))
    try f.sync()
    #expect(try f.remounted().fs.attribute(AccessControlList.access, of: f.remounted().inode("x")) == list(expected))
    // One that a mode says all of is none.
    try set(f, "x", AccessControlList.access, list([(1, 6, .max), (4, 4, .max), (32, 4, .max)]))
    #expect(try f.stat("x").mode == 0o644 && f.fs.attributeNames(of: f.inode("x")) == [])
  }

  @Test func `what is made in a directory inherits, and the umask does not count`() throws {
    let f = Fixture()
    let careful = Credentials(user: 1000, group: 1000, umask: 0o077)
    try f.mkdir("d")
    try set(f, "d", AccessControlList.inherited, list(named))
    f.fs.release(try f.create("d/x", mode: 0o644, by: careful))
    try f.mkdir("d/sub", mode: 0o777, by: careful)
    #expect(try f.stat("d/x").mode == 0o640 && f.stat("d/sub").mode == 0o660)
    var expected = named
    expected[3].permissions = 4
    #expect(try f.fs.attribute(AccessControlList.access, of: f.inode("d/x")) == list(expected))
    #expect(try f.fs.attribute(AccessControlList.inherited, of: f.inode("d/sub")) == list(named))
    try set(f, "d", AccessControlList.inherited, [])
    f.fs.release(try f.create("d/y", mode: 0o644, by: careful))
    #expect(try f.stat("d/y").mode == 0o600)
  }

  @Test func `what is no list is refused`() throws {
    let f = Fixture()
    try f.put("x", "1")
    try f.symlink("x", "l")
    expect(.accessDenied) { try set(f, "x", AccessControlList.inherited, list(named)) }
    expect(.notSupported) { try set(f, "l", AccessControlList.access, list(named)) }
    expect(.notSupported) { try set(f, "x", Array("system.other".utf8), [1]) }
    var wrong: [[UInt8]] = [[1, 0, 0, 0] + list(named).dropFirst(4), list(named).dropLast(), list(named.reversed())]
    // Without a mask, without others, with a fourth permission, with two owners.
    wrong += [list(named.filter { $0.tag != 16 }), list(named.dropLast()), list([(1, 8, .max)] + named.dropFirst())]
    wrong.append(list([named[0]] + named))
    for value in wrong.map({ [UInt8]($0) }) {
      expect(.invalidArgument) { try set(f, "x", AccessControlList.access, value) }
    }
    #expect(try f.fs.attributeNames(of: f.inode("x")) == [])
  }
}
