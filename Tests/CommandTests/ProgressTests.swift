import Foundation
import TestSupport
import Testing

/// Long transfers on a terminal; each is held up halfway until its line was seen.
@Suite("Progress") struct ProgressTests {
  @Test func `apply shows how far it is on a terminal, and nothing elsewhere`() throws {
    let (first, second) = try Installation.pair()
    try first.polykey("set", "default:large", input: String(repeating: "x", count: 500_000))
    let file = first.directory("vault.bundle")
    try first.polykey("bundle", "default", file)
    let feeder = """
      mkfifo "$1" "$2"; exec > "$1"
      head -c 200000 "$0"; read line < "$2"; tail -c +200001 "$0"
      """
    func feed(_ installation: Installation) throws -> (program: BackgroundProgram, file: String, gate: String) {
      let (fifo, gate) = (installation.directory("pipe"), installation.directory("gate"))
      let program = try BackgroundProgram(["sh", "-euc", feeder, file, fifo, gate]) {
        FileManager.default.fileExists(atPath: gate)
      }
      return (program, fifo, gate)
    }
    let (plain, shown) = (try feed(first), try feed(second))
    // Begun before the one on a terminal, so it had the time to show something, too.
    let silent = try BackgroundProgram(
      [Installation.program, "apply", "default", plain.file], environment: first.environment
    ) { true }
    let terminal = try Terminal(["apply", "default", shown.file], second)
    try eventually { terminal.shows("reading ") && terminal.shows("KiB") }
    for gate in [plain.gate, shown.gate] { try Program.check(["timeout", "20", "sh", "-c", "echo > \"$0\"", gate]) }
    #expect(silent.waitForEnd() == 0)
    #expect(silent.output == "nothing new\n")
    #expect(terminal.waitForEnd() == 0)
    #expect(terminal.screen.contains("1 branch moved") && !terminal.screen.contains("reading"), "\(terminal.screen)")
    try second.expectRefusal(["apply", "another", shown.file], status: 1, saying: "not of a pipe")
    withExtendedLifetime((plain, shown)) {}
  }

  @Test func `join and sync show what they receive and send`() throws {
    let (first, second) = (try Installation(), try Installation(vaults: []))
    let noise = try Program.check(["head", "-c", "2000000", "/dev/urandom"]).output
    try Program.check(
      [Installation.program, "set", "default:large"], input: noise, environment: first.environment)
    let port = try freePort()
    let server = try first.serve(at: port)
    let relay = try Relay(to: port)
    let code = try first.polykey("invite", "default", "--role", "writer", "--address", "127.0.0.1:\(relay.port)").text
    let joining = try Terminal(["join", code], second)
    try eventually { joining.shows("receiving ") && joining.shows(" B/s") }
    try relay.open()
    #expect(joining.waitForEnd() == 0)
    #expect(joining.screen.contains("joined default as writer") && !joining.screen.contains("receiving"))

    try Program.check(
      [Installation.program, "set", "default:second"], input: noise, environment: second.environment)
    let other = try Relay(to: port)
    let syncing = try Terminal(["sync", "default", "127.0.0.1:\(other.port)"], second)
    try eventually { syncing.shows("sending ") && syncing.shows(" B/s") }
    try other.open()
    #expect(syncing.waitForEnd() == 0)
    #expect(syncing.screen.contains("1 sent (1.9 MiB)") && !syncing.screen.contains("sending"), "\(syncing.screen)")
    withExtendedLifetime(server) {}
  }
}

/// The program with a terminal of its own.
private final class Terminal {
  private let program: BackgroundProgram

  init(_ arguments: [String], _ installation: Installation) throws {
    let command = ([Installation.program] + arguments).map { "'\($0)'" }.joined(separator: " ")
    program = try BackgroundProgram(
      ["script", "-qfec", command, "/dev/null"], environment: installation.environment
    ) { true }
  }

  /// Whether it was ever written.
  func shows(_ text: String) -> Bool { program.output.contains(text) }

  func waitForEnd() -> Int32 { program.waitForEnd() }

  /// What is on the screen now, with what is overwritten gone.
  var screen: String {
    var (lines, line, column): ([[UInt8]], [UInt8], Int) = ([], [], 0)
    for byte in program.output.utf8 {
      switch byte {
      case UInt8(ascii: "\r"): column = 0
      case UInt8(ascii: "\n"):
        lines.append(line)
        (line, column) = ([], 0)
      default:
        if column < line.count { line[column] = byte } else { line.append(byte) }
        column += 1
      }
    }
    return (lines + [line]).map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
  }
}

/// A way to a port of loopback that lets 400,000 bytes through in each direction, and more when it is opened.
private final class Relay {
  let port: Int
  private let directory: TemporaryDirectory
  private let program: BackgroundProgram

  private static let script = """
    import os, socket, sys, threading
    port, target, gate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    opened = threading.Event()
    def pump(source, sink, left):
        try:
            while data := source.recv(65536):
                left -= len(data)
                if left < 0: opened.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError: sink.close()
    def wait():
        open(gate).read()
        opened.set()
    os.mkfifo(gate)
    threading.Thread(target=wait, daemon=True).start()
    with socket.create_server(("127.0.0.1", port)) as server:
        print("ready", flush=True)
        while True:
            client = server.accept()[0]
            peer = socket.create_connection(("127.0.0.1", target))
            for ends in [(client, peer), (peer, client)]:
                threading.Thread(target=pump, args=(*ends, 400_000), daemon=True).start()
    """

  init(to target: Int) throws {
    port = try freePort()
    directory = try TemporaryDirectory()
    let program = try BackgroundProgram(
      ["python3", "-c", Relay.script, "\(port)", "\(target)", directory("gate")]
    ) { true }
    try eventually { program.output == "ready\n" }
    self.program = program
  }

  func open() throws { try Program.check(["timeout", "20", "sh", "-c", "echo > \"$0\"", directory("gate")]) }
}
