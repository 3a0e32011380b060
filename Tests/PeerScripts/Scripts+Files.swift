extension Script {
  /// All there are.
  package static let all = files + conflicts + members

  /// What one person does, seen by the other.
  static let files: [Script] = [
    Script("what one writes the other reads, both ways") { play in
      try play.admit(play.bob)
      try play.alice.write("password", "hunter2")
      try play.settle()
      try play.bob.sees("password", "hunter2")
      try play.bob.write("password", "correct horse")
      try play.settle()
      try play.alice.sees("password", "correct horse")
    },
    Script("who joins sees all that is there") { play in
      try play.alice.makeDirectory("db")
      try play.alice.write("db/password", "1")
      try play.alice.write("key", "2")
      try play.admit(play.bob)
      try play.bob.lists("", ["db", "key"])
      try play.bob.sees("db/password", "1")
    },
    Script("an open file follows the other's change, and so does one that is saved by renaming") { play in
      try play.alice.write("key", "one")
      try play.admit(play.bob)
      try play.bob.holdingOpen("key") { read in
        for value in ["two", "a longer three", "4"] {
          try play.alice.write("key", value)
          try play.settle()
          try play.bob.sees("key", value)
          guard try read() == value else { throw Failure("the open file did not follow") }
        }
        try play.alice.save("key", "five")
        try play.settle()
        try play.bob.sees("key", "five")
        guard try read() == "five" else { throw Failure("the open file did not follow the new file") }
      }
    },
    Script("names change, and directories with all in them") { play in
      try play.admit(play.bob)
      try play.alice.makeDirectory("a")
      try play.alice.makeDirectory("a/b")
      try play.alice.write("a/b/x", "1")
      try play.alice.write("a/y", "2")
      try play.settle()
      try play.bob.rename("a", to: "c")
      try play.settle()
      try play.alice.lists("", ["c"])
      try play.alice.sees("c/b/x", "1")
      try play.alice.rename("c/b/x", to: "x")
      try play.alice.removeDirectory("c/b")
      try play.settle()
      try play.bob.lists("", ["c", "x"])
      try play.bob.lists("c", ["y"])
    },
    Script("what one removes is gone for the other, and may come again") { play in
      try play.alice.write("key", "1")
      try play.admit(play.bob)
      try play.bob.remove("key")
      try play.settle()
      try play.alice.lacks("key")
      try play.alice.write("key", "2")
      try play.settle()
      try play.bob.sees("key", "2")
    },
    Script("links and modes travel") { play in
      try play.admit(play.bob)
      try play.alice.write("one", "1")
      try play.alice.link("one", as: "two")
      try play.alice.makeSymbolicLink("current", to: "one")
      try play.alice.setMode("one", 0o440)
      try play.alice.write("last", "so that the mode is written, too")
      try play.settle()
      try play.bob.sees("two", "1")
      try play.bob.hasMode("two", 0o440)
      try play.bob.hasSymbolicLink("current", to: "one")
      try play.bob.setMode("two", 0o600)
      try play.bob.write("two", "2")
      try play.settle()
      try play.alice.sees("one", "2")
      try play.alice.sees("current", "2")
    },
    Script("a large file, of which a part changes") { play in
      try play.admit(play.bob)
      let bytes = (0..<3_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 7) }
      try play.alice.write("large", bytes: bytes)
      try play.settle()
      try play.bob.overwrite("large", at: 2_000_000, "changed")
      try play.settle()
      var expected = bytes
      expected.replaceSubrange(2_000_000..<2_000_007, with: Array("changed".utf8))
      try play.alice.sees("large", String(decoding: expected, as: UTF8.self))
      guard try play.alice.bytes("large") == expected else { throw Failure("the bytes differ") }
    },
    Script("who was killed, and wrote alone before, has lost nothing") { play in
      try play.admit(play.bob)
      try play.apart([play.bob]) {
        try play.bob.write("mine", "1")
        try play.alice.write("hers", "2")
        try play.bob.restarts()
        try play.bob.sees("mine", "1")
        try play.bob.write("more", "3")
      }
      try play.alice.lists("", ["hers", "mine", "more"])
      try play.bob.lists("", ["hers", "mine", "more"])
    },
    Script("an old copy that is put back and written to loses nothing") { play in
      try play.admit(play.bob)
      try play.bob.write("a", "1")
      try play.settle()
      try play.bob.backsUp()
      try play.bob.write("b", "2")
      try play.settle()
      try play.alice.sees("b", "2")
      try play.apart([play.bob]) {
        try play.bob.putsBack()
        try play.bob.lacks("b")
        try play.bob.write("c", "3")
      }
      for person in [play.alice, play.bob] {
        for (path, value) in [("a", "1"), ("b", "2"), ("c", "3")] { try person.sees(path, value) }
      }
    },
    Script("one keynode on two machines: what each writes is kept, alone and beside each other", cast: 3) { play in
      try play.alice.write("a", "1")
      try play.admit(play.bob)
      try play.copyKeynode(of: play.bob, to: play.carol)
      try play.settle()
      try play.carol.sees("a", "1")
      try play.apart([play.bob, play.carol]) {
        try play.bob.write("b", "2")
        try play.carol.write("c", "3")
      }
      for person in [play.alice, play.bob, play.carol] { try person.lists("", ["a", "b", "c"]) }
      for number in 1...5 {
        try play.bob.write("b", "\(number)")
        try play.carol.write("c", "\(number)")
      }
      try play.settle()
      for person in [play.alice, play.bob, play.carol] {
        try person.sees("b", "5")
        try person.sees("c", "5")
      }
    },
  ]
}
