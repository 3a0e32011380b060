extension Script {
  /// Who may do what.
  static let members: [Script] = [
    Script("a reader reads, and writes once it may") { play in
      try play.alice.write("key", "1")
      try play.admit(play.bob, as: "reader")
      try play.bob.sees("key", "1")
      try play.bob.fails(Errno.readOnly) { try $0.write("key", "2") }
      try play.bob.fails(Errno.readOnly) { try $0.remove("key") }
      try play.alice.write("key", "3")
      try play.settle()
      try play.bob.sees("key", "3")
      try play.setRole(of: play.bob, to: "writer")
      try play.settle()
      try play.bob.eventually { try $0.write("key", "4") }
      try play.settle()
      try play.alice.sees("key", "4")
      try play.setRole(of: play.bob, to: "reader")
      try play.settle()
      // Until the mount knows, too, what is written is refused, but stays there to be copied elsewhere.
      try play.bob.fails(Errno.readOnly) { try $0.overwrite("key", at: 0, "") }
      try play.bob.fails(Errno.readOnly) { try $0.write("key", "5") }
    },
    Script("who was removed sees nothing newer, and what it writes reaches nobody", cast: 3) { play in
      try play.alice.write("key", "old")
      try play.admit(play.bob)
      try play.admit(play.carol)
      try play.settle()
      try play.apart([play.bob]) {
        try play.remove(play.bob)
        try play.alice.write("key", "new")
        try play.bob.write("key", "forged")
        try play.bob.write("mine", "x")
      }
      try play.carol.sees("key", "new")
      for person in [play.alice, play.carol] { try person.lists("", ["key"]) }
      try play.bob.sees("key", "forged")
      try play.carol.write("key", "newer")
      try play.settle()
      try play.alice.sees("key", "newer")
      try play.bob.sees("key", "forged")
    },
    Script("what a member wrote before its removal, and others built on, stays", cast: 3) { play in
      try play.admit(play.bob)
      try play.admit(play.carol)
      try play.bob.write("a", "his")
      try play.settle()
      try play.carol.write("b", "hers")
      try play.settle()
      try play.remove(play.bob)
      try play.settle()
      for person in [play.alice, play.carol] {
        try person.sees("a", "his")
        try person.sees("b", "hers")
      }
    },
    Script("a new key changes nothing that anybody sees") { play in
      try play.alice.write("a", "1")
      try play.admit(play.bob)
      try play.rotate()
      try play.alice.write("b", "2")
      try play.settle()
      try play.bob.sees("a", "1")
      try play.bob.sees("b", "2")
      try play.bob.write("a", "3")
      try play.settle()
      try play.alice.sees("a", "3")
    },
    Script("who is admitted without history sees what is there") { play in
      try play.alice.write("a", "1")
      try play.alice.write("a", "2")
      try play.admit(play.bob, withHistory: false)
      try play.bob.sees("a", "2")
      try play.bob.write("a", "3")
      try play.settle()
      try play.alice.sees("a", "3")
    },
    Script("a new key while the other is away, and writes under the old one") { play in
      try play.alice.write("a", "1")
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.rotate()
        try play.alice.write("b", "2")
        try play.bob.write("c", "3")
      }
      for person in [play.alice, play.bob] { try person.lists("", ["a", "b", "c"]) }
      for person in [play.alice, play.bob] { try person.sees("c", "3") }
    },
  ]
}

extension Person {
  /// Does something that may not be possible yet.
  func eventually(_ body: (Person) throws -> Void) throws {
    let isDone = try stage.poll {
      do { try body(self) } catch is CallError { return false }
      return true
    }
    guard isDone else { throw Script.Failure("it never became possible") }
  }

  /// The value at a path, and those that are set aside for it, in order; asked once all has settled.
  func values(of path: String) throws -> [String] { try kept(path) }
}
