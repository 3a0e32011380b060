import Foundation
import TestSupport
import Testing

/// sqlite, whose write-ahead log needs shared memory and locks; and PostgreSQL's client, which reads a password file.
@Suite("Legacy programs: databases") struct DatabaseTests {
  @Test func `an sqlite database in WAL mode serves two programs and two connections at once`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.python(
      """
      import sqlite3, subprocess
      def shell(sql):
          return subprocess.run(["sqlite3", "-cmd", ".timeout 60000", "db.sqlite", sql], check=True, capture_output=True, text=True).stdout.strip()
      a = sqlite3.connect("db.sqlite", timeout=60, isolation_level=None)
      assert a.execute("pragma journal_mode=wal").fetchone() == ("wal",)
      a.execute("create table secrets (id integer primary key, value text)")
      b = sqlite3.connect("db.sqlite", timeout=60, isolation_level=None)
      for number in range(50):
          (a if number % 2 else b).execute("insert into secrets (value) values (?)", (f"secret {number}" * 100,))
      # A reader keeps its view while another connection and another program write.
      a.execute("begin"); assert a.execute("select count(*) from secrets").fetchone() == (50,)
      b.execute("insert into secrets (value) values ('from b')")
      shell("insert into secrets (value) values ('from another program')")
      assert shell("select count(*) from secrets") == "52"
      assert a.execute("select count(*) from secrets").fetchone() == (50,)
      a.execute("commit"); assert a.execute("select count(*) from secrets").fetchone() == (52,)
      # Two writers at once: the second waits or is told, and nothing is lost.
      a.execute("begin immediate"); a.execute("delete from secrets where id = 1")
      b.execute("pragma busy_timeout=0")
      try:
          b.execute("begin immediate"); raise SystemExit("two writers at once")
      except sqlite3.OperationalError as error: assert "locked" in str(error)
      a.execute("rollback")
      assert shell("pragma integrity_check") == "ok"
      a.close(); b.close()
      """)
    #expect(try installation.shell("ls -A").text == "db.sqlite")
    try installation.unmount()
    try installation.mount()
    let check = "pragma integrity_check; select count(*) from secrets"
    #expect(try installation.shell("sqlite3 db.sqlite '\(check)'").text == "ok\n52")
    let rewrite = "pragma journal_mode=delete; insert into secrets (value) values ('x'); vacuum"
    try installation.shell("sqlite3 db.sqlite \"\(rewrite)\"")
    #expect(try installation.shell("sqlite3 db.sqlite '\(check)'").text == "ok\n53")
    // The database as it is in the vault, without the mount.
    try installation.unmount()
    let copy = try installation.directory.write(try installation.polykey("get", "default:db.sqlite").output, to: "copy")
    #expect(try Program.check(["sqlite3", copy, check]).text == "ok\n53")
  }

  @Test func `psql signs in with a password file and insists on its mode`() throws {
    let installation = try Installation()
    try installation.mountForServers()
    try installation.shell("umask 077; echo first > password; echo '*:*:postgres:admin:first' > pgpass")
    let server = try Cluster(installation)
    try withExtendedLifetime(server) {
      #expect(try server.ask("select 6 * 7").text == "42")
      #expect(try server.ask("alter role admin password 'second'").status == 0)
      #expect(try server.ask("select 1").status != 0)
      try installation.shell("sed -i s/first/second/ pgpass")
      #expect(try server.ask("select 6 * 7").text == "42")
      #expect(try installation.versions(of: "pgpass") == ["M pgpass", "A pgpass"])
      try installation.shell("chmod 644 pgpass")
      let refusal = try server.ask("select 1")
      #expect(refusal.status != 0 && refusal.errors.contains("group or world access"))
      // What psql writes lands on the mount as well.
      try installation.shell("chmod 600 pgpass")
      #expect(try server.ask("\\copy (select generate_series(1, 3)) to numbers").status == 0)
      #expect(try installation.shell("cat numbers").text == "1\n2\n3")
    }
  }
}

/// A PostgreSQL server of the test's own, whose owner `admin` has the password that is in the vault.
private struct Cluster {
  private let installation: Installation
  private let server: BackgroundProgram

  init(_ installation: Installation) throws {
    self.installation = installation
    let programs = try Program.check(["sh", "-c", "ls -d /usr/lib/postgresql/*/bin | tail -n 1"]).text
    let (data, sockets) = (installation.directory("data"), installation.directory("sockets"))
    var prefix: [String] = []
    if installation.isRoot {
      // PostgreSQL refuses to run as root.
      prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
      try Program.check(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "700", data, sockets])
      try installation.shell("chown postgres password")
      try Program.check(["chmod", "711", sockets])
    } else {
      try Program.check(["mkdir", data, sockets])
    }
    try Program.check(
      ["timeout", "300"] + prefix + [
        "\(programs)/initdb", "--no-sync", "--username=admin", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
        "--pwfile=\(installation.vaultDirectory)/password", "--pgdata=\(data)",
      ], in: "/")
    server = try BackgroundProgram(
      prefix + [
        "\(programs)/postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories=\(sockets)",
        "-c", "fsync=off",
      ]
    ) { try Program.run(["\(programs)/pg_isready", "-q", "-h", sockets]).status == 0 }
  }

  /// What psql answers that has the password file on the mount and nothing else.
  func ask(_ sql: String) throws -> Program {
    try Program.run(
      [
        "timeout", "60", "psql", "--no-psqlrc", "--no-password", "-tA", "-h", installation.directory("sockets"), "-U",
        "admin", "-d", "postgres", "-c", sql,
      ], in: installation.vaultDirectory,
      environment: installation.environment.merging(["PGPASSFILE": "pgpass", "PGPASSWORD": ""]) { $1 })
  }
}
