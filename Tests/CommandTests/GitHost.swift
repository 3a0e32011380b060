import Foundation
import TestSupport

/// A host of git repositories over https: nginx and `git http-backend`, with a certificate for localhost of an authority of its own, and
/// one user.
final class GitHost {
  static let user = "alice"
  static let password = "correct-horse-7"

  let directory: TemporaryDirectory
  /// PEM.
  var authority: String { directory("authority.pem") }
  private let port: Int
  private let gateway: BackgroundProgram
  private let nginx: BackgroundProgram

  init() throws {
    let directory = try TemporaryDirectory()
    let port = try freePort()
    (self.directory, self.port) = (directory, port)
    let script = """
      new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
      $new -x509 -subj "/CN=Authority" -keyout authority.key -out authority.pem
      $new -subj "/CN=localhost" -keyout host.key -out host.request
      echo subjectAltName=DNS:localhost > extension
      openssl x509 -req -in host.request -CA authority.pem -CAkey authority.key -CAcreateserial -extfile extension -out host.pem
      echo "$1:$(openssl passwd -apr1 "$2")" > passwords
      mkdir repositories
      """
    try Program.check(["sh", "-euc", script, "sh", GitHost.user, GitHost.password], in: directory.path)
    gateway = try BackgroundProgram(["fcgiwrap", "-s", "unix:\(directory("gateway"))"]) {
      FileManager.default.fileExists(atPath: directory("gateway"))
    }
    let configuration = try directory.write(
      [UInt8](GitHost.configuration(port, directory).utf8), to: "nginx.conf")
    nginx = try BackgroundProgram(["nginx", "-e", "stderr", "-c", configuration]) {
      try Program.run(["curl", "-sk", "-o", "/dev/null", "https://localhost:\(port)"]).status == 0
    }
  }

  deinit { for program in [nginx, gateway] { program.end() } }

  private static func configuration(_ port: Int, _ directory: TemporaryDirectory) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
      "\($0)_temp_path \(directory($0));"
    }
    let parameters = [
      "SCRIPT_FILENAME /usr/lib/git-core/git-http-backend", "GIT_PROJECT_ROOT \(directory("repositories"))",
      "GIT_HTTP_EXPORT_ALL 1", "PATH_INFO $uri", "QUERY_STRING $query_string", "REQUEST_METHOD $request_method",
      "CONTENT_TYPE $content_type", "CONTENT_LENGTH $content_length", "REMOTE_USER $remote_user",
      "REMOTE_ADDR $remote_addr", "HTTP_CONTENT_ENCODING $http_content_encoding",
    ].map { "fastcgi_param \($0);" }
    return """
      \(getuid() == 0 ? "user root;" : "")
      daemon off; pid \(directory("nginx.pid")); worker_processes 1; error_log stderr;
      events {}
      http {
        access_log off; client_max_body_size 0;
        \(temporary.joined(separator: " "))
        server {
          listen 127.0.0.1:\(port) ssl; server_name localhost;
          ssl_certificate \(directory("host.pem")); ssl_certificate_key \(directory("host.key"));
          auth_basic "git"; auth_basic_user_file \(directory("passwords"));
          location / { fastcgi_pass unix:\(directory("gateway")); \(parameters.joined(separator: " ")) }
        }
      }
      """
  }

  /// Makes an empty repository; its path.
  func repository(_ name: String) throws -> String {
    let path = directory("repositories/\(name)")
    try Program.check(["git", "init", "-q", "--bare", path])
    return path
  }

  func address(_ name: String, host: String = "localhost") -> String { "https://\(host):\(port)/\(name)" }

  /// A line of the file of `git credential-store`.
  func credential(password: String) -> String { "https://\(GitHost.user):\(password)@localhost%3a\(port)\n" }
}
