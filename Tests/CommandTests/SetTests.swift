import Foundation
import TestSupport
import Testing

/// What becomes of a secret whose new value cannot be read, or not be stored.
@Suite("polykey set") struct SetTests {
  @Test func `a value that cannot be read replaces nothing`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:x", input: "value")
    let count = try installation.commitCount()
    for (redirection, words) in [
      ("< /", "is a directory"), ("<&-", "bad file descriptor"), ("0> /dev/null", "bad file"),
    ] {
      for path in ["x", "new", "some/where/new"] {
        let set = try Program.run(
          ["sh", "-c", "\"$0\" set default:\(path) \(redirection)", Installation.program],
          environment: installation.environment)
        #expect(set.status == 1 && set.errors.contains(words) && set.isOneSentence, "\(redirection): \(set.errors)")
      }
    }
    #expect(try installation.commitCount() == count)
    #expect(try installation.polykey("ls", "-r", "default:").text == "x")
    #expect(try installation.polykey("get", "default:x").text == "value")
  }

  @Test func `a value that breaks off in the middle replaces nothing, and makes no directory`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:x", input: "value")
    let count = try installation.commitCount()
    // A connection that was reset is an error behind what had come.
    let script = """
      import socket, struct, subprocess, sys
      with socket.create_server(("127.0.0.1", 0)) as server:
          for path in ["x", "some/where/new"]:
              client = socket.create_connection(server.getsockname())
              peer = server.accept()[0]
              peer.sendall(b"half")
              peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
              peer.close()
              child = subprocess.run([sys.argv[1], "set", "default:" + path], stdin=client, stderr=subprocess.PIPE)
              assert child.returncode == 1 and b"reset by peer" in child.stderr, child
      """
    try Program.check(["python3", "-c", script, Installation.program], environment: installation.environment)
    #expect(try installation.commitCount() == count)
    #expect(try installation.polykey("get", "default:x").text == "value")
  }

  @Test(.enabled(if: geteuid() == 0))
  func `a value that a full disk does not take replaces nothing, and makes no directory`() throws {
    let installation = try Installation(empty: ())
    try FileManager.default.createDirectory(atPath: installation.home, withIntermediateDirectories: false)
    try Program.check(["mount", "-t", "tmpfs", "-o", "size=20m,mode=0700", "tmpfs", installation.home])
    defer { _ = try? Program.run(["umount", "-l", installation.home]) }
    try installation.polykey("init", "--no-passphrase")
    try installation.polykey("vault", "create", "default")
    try installation.polykey("set", "default:x", input: "value")
    let count = try installation.commitCount()
    for path in ["x", "some/where/new"] {
      let set = try Program.run(
        ["sh", "-c", "head -c 30000000 /dev/urandom | \"$0\" set default:\(path)", Installation.program],
        environment: installation.environment)
      #expect(set.status == 8 && set.errors.contains("earlier versions are intact"), "\(set.errors)")
    }
    #expect(try installation.commitCount() == count)
    #expect(try installation.polykey("get", "default:x").text == "value")
    #expect(try installation.polykey("ls", "-r", "default:").text == "x")
  }

  @Test func `missing directories are made with the file, and its version is one`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:a/b/c", input: "value")
    #expect(try installation.polykey("ls", "-r", "default:").text == "a/\na/b/\na/b/c")
    #expect(try installation.versions(of: "a/b/c") == ["A a/b/c"])
    #expect(try installation.pathsInHistory().subtracting(["."]) == ["a", "a/b", "a/b/c"])
    let large = try Program.check(["head", "-c", "40000000", "/dev/urandom"]).output
    try Program.check(
      [Installation.program, "set", "default:d/large"], input: large, environment: installation.environment)
    #expect(
      try Program.check([Installation.program, "get", "default:d/large"], environment: installation.environment).output
        == large)
    try installation.polykey("verify", "default")
  }

  @Test func `an earlier symbolic link comes back in one version`() throws {
    let installation = try Installation()
    let folder = "\(try installation.mount())/default"
    try Program.check(["ln", "-s", "one", "\(folder)/link"])
    try Program.check(["sh", "-c", "rm \"$0\"; ln -s two \"$0\"", "\(folder)/link"])
    let first = try #require(try installation.versionNames(of: "link").last)
    let count = try installation.commitCount()
    try installation.polykey("restore", "default:link@\(first)")
    #expect(try Program.check(["readlink", "\(folder)/link"]).text == "one")
    #expect(try installation.commitCount() == count + 1)
    #expect(try installation.polykey("ls", "default:").text == "link")
    try installation.unmount()
  }

  /// Types lines into the program on a terminal of its own, each when it is asked for; what the terminal showed, and the status.
  private func type(_ lines: [String], into arguments: [String], _ installation: Installation) throws -> String {
    let script = """
      import os, pty, sys
      count = int(sys.argv[1])
      lines, command = sys.argv[2:2 + count], sys.argv[2 + count:]
      child, terminal = pty.fork()
      if child == 0: os.execv(command[0], command)
      shown = b""
      def more():
          global shown
          try: data = os.read(terminal, 4096)
          except OSError: data = b""
          shown += data
          return data
      for line in lines:
          while more() and not shown.endswith(b": "): pass
          os.write(terminal, line.encode() + b"\\n")
          shown += b"|"
      while more(): pass
      os.write(1, shown + b"exit %d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
      """
    return try Program.check(
      ["timeout", "60", "python3", "-c", script, "\(lines.count)"] + lines + [Installation.program] + arguments,
      environment: installation.environment
    ).text
  }

  @Test func `a terminal shows again what is typed after an interrupt`() throws {
    let installation = try Installation()
    let script = """
      import os, pty, sys, termios  # The state of a terminal is its other side's, too.
      child, terminal = pty.fork()
      if child == 0: os.execv(sys.argv[1], sys.argv[1:])
      shown = b""
      while not shown.endswith(b"Secret: "): shown += os.read(terminal, 4096)
      assert not termios.tcgetattr(terminal)[3] & termios.ECHO
      os.write(terminal, b"half\\x03")
      status = os.waitpid(child, 0)[1]
      assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == 2, status
      assert termios.tcgetattr(terminal)[3] & termios.ECHO
      """
    try Program.check(
      ["timeout", "60", "python3", "-c", script, Installation.program, "set", "default:x"],
      environment: installation.environment)
    #expect(try installation.polykey("ls", "default:").text.isEmpty)
  }

  @Test func `on a terminal a secret is typed twice, not shown, and stored without a newline`() throws {
    let installation = try Installation()
    let typed = try type(["hunter2", "hunter2"], into: ["set", "default:x"], installation)
    #expect(typed.hasSuffix("exit 0") && !typed.contains("hunter2"), "\(typed)")
    #expect(try installation.polykey("get", "default:x").output == [UInt8]("hunter2".utf8))
    let count = try installation.commitCount()
    for (lines, words) in [
      (["other", "othre"], "differ"), ([""], "nothing was typed"),
      // The kernel keeps 4,095 bytes of a line, and drops the rest without a word.
      ([String(repeating: "x", count: 4095)], "too long"), ([String(repeating: "x", count: 5000)], "too long"),
    ] {
      let refused = try type(lines, into: ["set", "default:x"], installation)
      #expect(refused.hasSuffix("exit 1") && refused.contains(words) && !refused.contains("othre"), "\(refused)")
    }
    #expect(try installation.commitCount() == count)
  }
}
