import TestSupport
import Testing

/// Settings that python programs keep in files.
@Suite("Legacy programs: python's configuration files") struct ConfigurationTests {
  @Test func `configparser reads and writes an ini file`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("printf '[db]\\nhost = localhost\\npassword = hunter2\\n' > app.ini")
    try installation.python(
      """
      import configparser
      settings = configparser.ConfigParser()
      assert settings.read("app.ini") == ["app.ini"]
      assert settings["db"]["password"] == "hunter2"
      settings["db"]["password"] = "Größe 50%%"
      settings["mail"] = {"user": "admin"}
      with open("app.ini", "w", encoding="utf-8") as file: settings.write(file)
      again = configparser.ConfigParser(); again.read("app.ini", encoding="utf-8")
      assert again["db"]["password"] == "Größe 50%" and again["mail"]["user"] == "admin"
      """)
    #expect(try installation.versions(of: "app.ini") == ["M app.ini", "A app.ini"])
    #expect(try installation.polykey("show", "default:app.ini@~1").text.contains("hunter2"))
  }

  @Test func `dotenv reads, sets and unsets values`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("umask 077; printf 'TOKEN=abc\\nURL=https://${TOKEN}@example.org\\n' > .env")
    try installation.python(
      """
      import dotenv, os
      assert dotenv.load_dotenv(".env") and os.environ["URL"] == "https://abc@example.org"
      dotenv.set_key(".env", "TOKEN", "def ghi")
      assert dotenv.dotenv_values(".env")["TOKEN"] == "def ghi"
      dotenv.unset_key(".env", "URL")
      assert dict(dotenv.dotenv_values(".env")) == {"TOKEN": "def ghi"}
      """)
    #expect(try installation.versions(of: ".env") == ["M .env", "M .env", "A .env"])
    #expect(try installation.polykey("show", "default:.env@~2").text.hasPrefix("TOKEN=abc\n"))
    #expect(try installation.pathsInHistory() == [".env"])
  }
}
