import Foundation
import TestSupport
import Testing

/// nginx and curl with everything that is secret, and nginx's configuration, on the mount.
@Suite("Legacy programs: nginx and curl") struct WebServerTests {
  @Test func `nginx serves TLS from the mount, and the new certificate after a reload`() throws {
    let site = try Site()
    let installation = site.installation
    let first = try site.fingerprint(of: "tls/cert.pem")
    #expect(try site.servedFingerprint() == first)
    #expect(try site.get("/").text == "hello")
    // openssl writes a key for its owner alone.
    #expect(try installation.shell("stat -c %a tls/key.pem").text == "600")

    // Replaced in place, then by renaming, as certbot and most deployment tools do.
    try site.makeCertificate()
    let second = try site.fingerprint(of: "tls/cert.pem")
    #expect(try site.servedFingerprint() == first)
    try site.reload(until: second)
    try installation.shell("mkdir new")
    try site.makeCertificate(in: "new")
    try installation.shell("mv new/key.pem tls/key.pem; mv new/cert.pem tls/cert.pem; rmdir new")
    let third = try site.fingerprint(of: "tls/cert.pem")
    try site.reload(until: third)
    #expect(Set([first, second, third]).count == 3)
    let versions = try installation.versions(of: "tls/key.pem")
    #expect(versions == ["M tls/key.pem", "M tls/key.pem", "A tls/key.pem"])

    // Back to the second, with nginx still running.
    try installation.polykey("restore", "default:tls/key.pem@~1")
    try installation.polykey("restore", "default:tls/cert.pem@~1")
    #expect(try installation.shell("stat -c %a tls/key.pem").text == "600")
    try site.reload(until: second)
    #expect(try site.get("/").text == "hello")
  }

  @Test func `curl signs in with a netrc file and nginx asks a password file, both on the mount`() throws {
    let site = try Site()
    let installation = site.installation
    func password(_ password: String) throws {
      try installation.shell(
        """
        printf 'admin:%s\\n' "$(openssl passwd -apr1 '\(password)')" > htpasswd
        printf 'machine localhost\\nlogin admin\\npassword \(password)\\n' > netrc
        chmod 600 netrc
        """)
      if installation.isRoot { try installation.shell("chgrp www-data htpasswd; chmod 640 htpasswd") }
    }
    try password("correct-horse")
    #expect(try site.get("/private/").status == 22)
    #expect(try site.get("/private/", "--netrc-file", "netrc").text == "private hello")
    // A new password works at once, without a reload: nginx's worker, another user, reads the file at each request.
    try password("battery-staple")
    #expect(try site.get("/private/", "--netrc-file", "netrc").text == "private hello")
    try installation.shell("printf 'machine localhost login admin password wrong\\n' > netrc")
    #expect(try site.get("/private/", "--netrc-file", "netrc").status == 22)
    // And what curl fetches may be written to the mount.
    try installation.shell("curl -fsS --cacert tls/cert.pem -o fetched https://localhost:\(site.port)/index.html")
    #expect(try installation.shell("cat fetched").text == "hello")
    #expect(try installation.versions(of: "fetched") == ["A fetched"])
  }
}

/// A vault with a web site, and nginx serving it.
private final class Site {
  let installation: Installation
  let port: Int
  private var nginx: BackgroundProgram?

  init() throws {
    installation = try Installation()
    port = try freePort()
    try installation.mountForServers()
    try installation.shell("mkdir tls www www/private")
    try makeCertificate()
    try installation.shell(
      "echo hello > www/index.html; echo private hello > www/private/index.html; cat > nginx.conf",
      input: configuration)
    nginx = try BackgroundProgram(
      ["nginx", "-e", "stderr", "-p", installation.directory.path, "-c", "\(installation.vaultDirectory)/nginx.conf"]
    ) { try servedFingerprint() != "" }
  }

  private var configuration: String {
    let vault = installation.vaultDirectory
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
      "\($0)_temp_path \(installation.directory("nginx-\($0)"));"
    }
    return """
      \(installation.isRoot ? "user www-data;" : "")
      daemon off;
      error_log stderr;
      pid \(installation.directory("nginx.pid"));
      events {}
      http {
        access_log off;
        \(temporary.joined(separator: " "))
        server {
          listen 127.0.0.1:\(port) ssl;
          server_name localhost;
          ssl_certificate \(vault)/tls/cert.pem;
          ssl_certificate_key \(vault)/tls/key.pem;
          root \(vault)/www;
          location /private/ {
            auth_basic "private";
            auth_basic_user_file \(vault)/htpasswd;
          }
        }
      }
      """
  }

  func makeCertificate(in folder: String = "tls") throws {
    try installation.shell(
      """
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout \(folder)/key.pem -out \(folder)/cert.pem 2> /dev/null
      """)
  }

  func fingerprint(of certificate: String) throws -> String {
    try installation.shell("openssl x509 -noout -fingerprint -sha256 -in \(certificate)").text
  }

  /// The certificate that nginx shows; empty if there is no answer.
  func servedFingerprint() throws -> String {
    let script = """
      timeout 10 openssl s_client -connect 127.0.0.1:\(port) -servername localhost < /dev/null 2> /dev/null |
        openssl x509 -noout -fingerprint -sha256 2> /dev/null || true
      """
    return try Program.check(["sh", "-c", script]).text
  }

  /// Tells nginx to read its files again, and waits for the certificate; it takes over in its own time.
  func reload(until fingerprint: String) throws {
    guard let nginx else { return }
    kill(nginx.processIdentifier, SIGHUP)
    guard try poll(until: { try servedFingerprint() == fingerprint }) else {
      throw Program.Failure(description: "the new certificate is not served: \(nginx.output)")
    }
  }

  /// curl's answer; 22 is its status for an HTTP error.
  func get(_ path: String, _ options: String...) throws -> Program {
    try Program.run(
      ["curl", "-fsS", "--max-time", "30", "--cacert", "tls/cert.pem"] + options + ["https://localhost:\(port)\(path)"],
      in: installation.vaultDirectory, environment: installation.environment)
  }
}
