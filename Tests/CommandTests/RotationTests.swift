import Foundation
import TestSupport
import Testing

/// A service on a mount whose key is rotated on another peer's mount.
@Suite("Rotation") struct RotationTests {
  private static let rotations = 50

  @Test func `nginx answers all the time while its key is rotated on a peer's mount, and a watch sees each update`()
    throws
  {
    let site = try RotatedSite(rotations: RotationTests.rotations)
    for rotation in 1...RotationTests.rotations {
      try site.rotate(to: rotation)
      try eventually { site.client.output.contains("serves \(rotation)\n") }
    }
    #expect(kill(site.client.processIdentifier, SIGTERM) == 0)
    #expect(site.client.waitForEnd() == 0)
    let seen = site.client.output.split(separator: "\n").map(String.init)
    #expect(seen.dropLast() == (0...RotationTests.rotations).map { "serves \($0)" }, "\(site.client.output)")
    // It asked all the while: many times for each rotation.
    let requests = try #require(seen.last?.split(separator: " ").first.flatMap { Int($0) })
    #expect(seen.last == "\(requests) answered" && requests > 4 * RotationTests.rotations)
    // Each update is told once.
    for file in ["key.pem", "certificate.pem"] {
      let told = site.watcher.output.split(separator: "\n").filter { $0.hasSuffix(file) && $0.hasPrefix("CLOSE_WRITE") }
      #expect(told.count == RotationTests.rotations, "\(file)")
    }
  }
}

/// nginx on the mount of one keynode, with a key and a certificate that are written on the mount of another.
private final class RotatedSite {
  private let writer: Installation
  private let reader: Installation
  private let folder: TemporaryDirectory
  private let nginx: BackgroundProgram
  private let reloader: BackgroundProgram
  /// Asks nginx without a pause, and notes each certificate that it has not met before.
  let client: BackgroundProgram
  /// inotifywait on the two files in the reader's mount.
  let watcher: BackgroundProgram

  private static let names = ["key.pem", "certificate.pem"]

  private static let clientScript = """
    import glob, hashlib, os, signal, socket, ssl, sys
    port, folder = int(sys.argv[1]), sys.argv[2]
    known = {}
    for path in glob.glob(folder + "/*.certificate.pem"):
        with open(path) as file: known[ssl.PEM_cert_to_DER_cert(file.read())] = os.path.basename(path).split(".")[0]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    isStopping = False
    def stop(*_):
        global isStopping
        isStopping = True
    signal.signal(signal.SIGTERM, stop)
    met, answered = set(), 0
    while not isStopping:
        with socket.create_connection(("127.0.0.1", port), 20) as plain, context.wrap_socket(plain) as secured:
            number = known[secured.getpeercert(True)]
            secured.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            answer = b""
            while piece := secured.recv(4096): answer += piece
        if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"ok"): sys.exit("no answer")
        answered += 1
        if number not in met: print("serves", number, flush=True)
        met.add(number)
    print(answered, "answered")
    """

  init(rotations: Int) throws {
    (writer, reader) = try Installation.pair()
    folder = try TemporaryDirectory()
    let (port, serverPort) = (try freePort(), try freePort())
    // All made before, so that the rotations are what takes the time.
    let script = """
      cd "$0"
      for number in $(seq 0 "$1"); do
        openssl ecparam -name prime256v1 -genkey -noout -out $number.key.pem
        openssl req -x509 -new -key $number.key.pem -subj /CN=localhost -out $number.certificate.pem
      done
      """
    try Program.check(["sh", "-euc", script, folder.path, "\(rotations)"])
    try writer.mount("--listen", "127.0.0.1:\(port)")
    try FileManager.default.createDirectory(
      atPath: "\(writer.vaultDirectory)/tls", withIntermediateDirectories: false)
    try RotatedSite.write(0, from: folder, to: writer)
    try reader.polykey("peer", "add", "writer", "127.0.0.1:\(port)")
    try reader.mount()
    let tls = "\(reader.vaultDirectory)/tls"
    let paths = RotatedSite.names.map { "\(tls)/\($0)" }
    try eventually { paths.allSatisfy { FileManager.default.fileExists(atPath: $0) } }

    let own = folder.path
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(own)/\($0);" }
    let configuration = try folder.write(
      [UInt8](
        """
        daemon off; pid \(own)/nginx.pid; worker_processes 1; error_log stderr;
        events {}
        http {
          access_log off; \(temporary.joined(separator: " "))
          server {
            listen 127.0.0.1:\(serverPort) ssl; ssl_certificate_key \(paths[0]); ssl_certificate \(paths[1]);
            location / { return 200 "ok"; }
          }
        }
        """.utf8), to: "nginx.conf")
    nginx = try BackgroundProgram(["nginx", "-e", "stderr", "-c", configuration]) {
      try Program.run(["curl", "-sk", "--max-time", "20", "https://127.0.0.1:\(serverPort)"]).text == "ok"
    }
    let client = try BackgroundProgram(["python3", "-c", RotatedSite.clientScript, "\(serverPort)", own]) { true }
    try eventually { client.output == "serves 0\n" }
    self.client = client
    let watcher = try BackgroundProgram(
      ["inotifywait", "-m", "-e", "modify,close_write", "--format", "%e %w"] + paths
    ) { true }
    try eventually { watcher.output.contains("Watches established") }
    self.watcher = watcher
    // Between the two files nginx refuses to take one of them without the other, and goes on with what it has.
    let reloader = try BackgroundProgram(
      [
        Installation.program, "watch", "default:tls", "--exec", "nginx -e stderr -c \(configuration) -s reload",
      ], environment: reader.environment
    ) { true }
    try eventually { reloader.output.contains("watching default:tls") }
    self.reloader = reloader
  }

  /// Before the vaults that they use are removed.
  deinit { for program in [reloader, nginx, watcher, client] { program.end() } }

  /// Writes another key and its certificate over those on the writer's mount.
  func rotate(to rotation: Int) throws { try RotatedSite.write(rotation, from: folder, to: writer) }

  private static func write(_ rotation: Int, from folder: TemporaryDirectory, to writer: Installation) throws {
    for name in names {
      let new = try Data(contentsOf: URL(fileURLWithPath: folder("\(rotation).\(name)")))
      try new.write(to: URL(fileURLWithPath: "\(writer.vaultDirectory)/tls/\(name)"))
    }
  }
}
