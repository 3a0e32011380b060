extension Script {
  /// What both change while they hear nothing of each other.
  static let conflicts: [Script] = [
    Script("changes of different secrets are simply both there") { play in
      try play.alice.write("a", "1")
      try play.alice.write("b", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.write("a", "2")
        try play.bob.write("b", "2")
        try play.bob.write("c", "2")
      }
      for person in [play.alice, play.bob] {
        try person.lists("", ["a", "b", "c"])
        for path in ["a", "b", "c"] { try person.sees(path, "2") }
      }
    },
    Script("of two changes of one secret one wins, the other is set aside") { play in
      try play.alice.write("key", "0")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.write("key", "hers")
        try play.bob.write("key", "his")
      }
      for person in [play.alice, play.bob] { try person.keeps(["hers", "his"], of: "key") }
    },
    Script("what was set aside is taken by moving it, and settled for both") { play in
      try play.alice.write("key", "0")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.write("key", "hers")
        try play.bob.write("key", "his")
      }
      try play.bob.keeps(["hers", "his"], of: "key")
      let aside = try play.bob.asideName(of: "key")
      let value = try play.bob.text(aside)
      try play.bob.rename(aside, to: "key")
      try play.settle()
      for person in [play.alice, play.bob] { try person.keeps([value], of: "key") }
    },
    Script("two new secrets of one name are both kept") { play in
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.write("key", "hers")
        try play.bob.write("key", "his")
      }
      for person in [play.alice, play.bob] { try person.keeps(["hers", "his"], of: "key") }
    },
    Script("a change beats a removal") { play in
      try play.alice.write("a", "1")
      try play.alice.write("b", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.remove("a")
        try play.bob.write("a", "2")
        try play.alice.write("b", "2")
        try play.bob.remove("b")
      }
      for person in [play.alice, play.bob] {
        try person.sees("a", "2")
        try person.sees("b", "2")
      }
    },
    Script("both remove one secret") { play in
      try play.alice.write("a", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.remove("a")
        try play.bob.remove("a")
      }
      for person in [play.alice, play.bob] { try person.lists("", []) }
    },
    Script("one renames a secret to one name, the other to another: it has one of them, the other is set aside") {
      play in
      try play.alice.write("old", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.rename("old", to: "hers")
        try play.bob.rename("old", to: "his")
      }
      for person in [play.alice, play.bob] {
        try person.lacks("old")
        let counts = try [person.values(of: "hers"), person.values(of: "his")]
        guard counts.flatMap({ $0 }) == ["1", "1"] else { throw Failure("names lost: \(counts)") }
      }
    },
    Script("one renames what the other changes: both values are kept") { play in
      try play.alice.write("old", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.rename("old", to: "new")
        try play.bob.write("old", "2")
      }
      for person in [play.alice, play.bob] {
        let values = try person.values(of: "old") + person.values(of: "new")
        guard values.contains("2") else { throw Failure("the change is lost: \(values)") }
      }
    },
    Script("one makes a directory where the other makes a file: both are there") { play in
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.makeDirectory("d")
        try play.alice.write("d/x", "in it")
        try play.bob.write("d", "a file")
      }
      for person in [play.alice, play.bob] {
        try person.sees("d/x", "in it")
        guard try person.values(of: "d") == ["a file"] else { throw Failure("the file is lost") }
      }
    },
    Script("one removes a directory into which the other writes: what was written stays") { play in
      try play.alice.makeDirectory("d")
      try play.alice.write("d/old", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.remove("d/old")
        try play.alice.removeDirectory("d")
        try play.bob.write("d/new", "2")
      }
      for person in [play.alice, play.bob] { try person.lists("d", ["new"]) }
      try play.alice.write("d/more", "3")
      try play.settle()
      try play.bob.lists("d", ["more", "new"])
    },
    Script("each moves a directory into the other's: nothing is lost, nothing turns in a circle") { play in
      try play.alice.makeDirectory("a")
      try play.alice.makeDirectory("b")
      try play.alice.write("a/x", "1")
      try play.alice.write("b/y", "2")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.rename("a", to: "b/a")
        try play.bob.rename("b", to: "a/b")
      }
      for person in [play.alice, play.bob] {
        let all = Set(try person.tree().values.filter { $0.contains("\"") }.map { $0.split(separator: " ").last ?? "" })
        guard all == ["\"1\"", "\"2\""] else { throw Failure("lost: \(try person.tree())") }
      }
    },
    Script("a directory that only paths lead through keeps its place before a file, also when it is emptied") { play in
      try play.alice.makeDirectory("d")
      try play.alice.write("d/old", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.remove("d/old")
        try play.alice.removeDirectory("d")
        try play.alice.write("d", "a file")
        try play.bob.write("d/new", "2")
      }
      for person in [play.alice, play.bob] {
        try person.lists("d", ["new"])
        guard try person.values(of: "d") == ["a file"] else { throw Failure("the file is lost") }
      }
      try play.bob.remove("d/new")
      try play.settle()
      for person in [play.alice, play.bob] { try person.lists("d", []) }
      try play.bob.removeDirectory("d")
      try play.settle()
      for person in [play.alice, play.bob] { try person.keeps(["a file"], of: "d") }
    },
    Script("three change one secret", cast: 3) { play in
      try play.alice.write("key", "0")
      try play.admit(play.bob)
      try play.admit(play.carol)
      try play.settle()
      try play.apart([play.alice, play.bob, play.carol]) {
        try play.alice.write("key", "hers")
        try play.bob.write("key", "his")
        try play.carol.write("key", "theirs")
      }
      for person in [play.alice, play.bob, play.carol] { try person.keeps(["hers", "his", "theirs"], of: "key") }
    },
    Script("what was taken from what lost stays, though another merge still has it", cast: 3) { play in
      let (alice, bob, carol) = (play.alice, play.bob, play.carol)
      try alice.write("key", "1")
      try play.admit(bob)
      try play.admit(carol)
      try bob.disconnects()
      try carol.disconnects()
      try alice.write("key", "hers")
      try bob.write("key", "his")
      try carol.write("other", "x")
      try bob.reconnects()
      try play.settle()
      let name = try bob.asideName(of: "key")
      let (shown, lost) = (try bob.text("key"), try bob.text(name))
      // Bob takes it while carol's merge, which is another, comes to have it, too.
      try bob.disconnects()
      try bob.rename(name, to: "saved")
      try carol.reconnects()
      try play.settle()
      try carol.write("more", "y")
      try play.settle()
      try bob.reconnects()
      try play.settle()
      for person in [alice, bob, carol] {
        try person.sees("saved", lost)
        try person.keeps([shown, lost].sorted(), of: "key")
        try person.lists("", ["key", "more", "other", "saved"])
      }
      try bob.restarts()
      try bob.sees("saved", lost)
      try bob.keeps([shown, lost].sorted(), of: "key")
    },
    Script("what lost and is changed where it is, by two, is kept twice", cast: 2) { play in
      try play.alice.write("key", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.write("key", "hers")
        try play.bob.write("key", "his")
      }
      let name = try play.alice.asideName(of: "key")
      try play.apart([play.bob]) {
        try play.alice.overwrite(name, at: 0, "more of hers")
        try play.bob.overwrite(name, at: 0, "more of his")
        try play.alice.sees(name, "more of hers")
      }
      for person in [play.alice, play.bob] {
        try person.keeps(["more of hers", "more of his"], below: ".conflicts")
      }
    },
    Script("a second name for what lost, and an exchange with it, last") { play in
      try play.alice.write("key", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.write("key", "hers")
        try play.bob.write("key", "his")
      }
      let name = try play.alice.asideName(of: "key")
      let lost = try play.alice.text(name)
      try play.alice.link(name, as: "second")
      try play.settle()
      for person in [play.alice, play.bob] {
        try person.sees("second", lost)
        try person.sees(name, lost)
      }
      try play.alice.restarts()
      try play.alice.sees("second", lost)
      try play.alice.remove(name)
      try play.settle()
      for person in [play.alice, play.bob] {
        try person.sees("second", lost)
        try person.lists("", ["key", "second"])
      }
    },
    Script("each changes another part of a large file: both versions are kept") { play in
      try play.alice.write("large", bytes: [UInt8](repeating: 0x2E, count: 2_500_000))
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.alice.overwrite("large", at: 10, "hers")
        try play.bob.overwrite("large", at: 2_400_000, "his")
      }
      for person in [play.alice, play.bob] {
        let values = try person.values(of: "large")
        guard values.count == 2, values.contains(where: { $0.contains("hers") }),
          values.contains(where: { $0.contains("his") }), values.allSatisfy({ $0.utf8.count == 2_500_000 })
        else { throw Failure("\(values.map(\.utf8.count)) bytes are kept") }
      }
    },
  ]
}

extension Person {
  /// The files below a directory hold these values, and no others.
  func keeps(_ values: [String], below directory: String) throws {
    var found: [String] = []
    let isSo = try stage.poll {
      do { found = try self.values(below: directory) } catch is CallError { return false }
      return found == values
    }
    guard isSo else { throw Script.Failure("\(found) are kept") }
  }

  /// All that files below a directory hold, in order.
  func values(below directory: String) throws -> [String] {
    var values: [String] = []
    // A list leaves out what lost in there.
    for name in try stage.files(of: number).list(directory) + [".conflicts"] {
      let path = "\(directory)/\(name)"
      if name == ".conflicts", try !isDirectory(path) { continue }
      do { values.append(try text(path)) } catch let error as CallError where error.errno == Errno.isDirectory {
        values += try self.values(below: path)
      }
    }
    return values.sorted()
  }

  private func isDirectory(_ path: String) throws -> Bool {
    do { _ = try stage.files(of: number).list(path) } catch is CallError { return false }
    return true
  }

  /// Where the one value is that was set aside for a path of the vault's root.
  func asideName(of path: String) throws -> String {
    let names = try stage.files(of: number).list(".conflicts").filter { $0.hasPrefix("\(path)~") }
    guard names.count == 1 else { throw Script.Failure("\(names) are set aside") }
    return ".conflicts/\(names[0])"
  }
}
