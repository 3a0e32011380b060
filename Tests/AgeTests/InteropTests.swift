import Age
import SecretMemory
import TestSupport
import Testing

/// Files go both ways between ours and the `age` and `age-keygen` programs.
@Suite("Interoperation with age") struct InteropTests {
  static let sizes = [0, 1, 1536, 65_536, 65_537, 5 << 20]

  @Test(arguments: sizes)
  func `age reads what is encrypted whole, streamed and armored`(size: Int) throws {
    let directory = try TemporaryDirectory()
    let identity = try X25519Identity()
    let key = try directory.write([UInt8](try identity.text.utf8), to: "key")
    var generator = SeededGenerator(seed: UInt64(size))
    let plaintext = generator.bytes(size)
    let whole = try encrypt(plaintext, to: [identity.recipient])
    let streamed = try streamEncrypt(plaintext, step: 100_000, to: [identity.recipient])
    for file in [whole, streamed, armor(whole)] {
      let output = try Program.check(["age", "-d", "-i", key], input: file).output
      #expect(output == plaintext)
    }
  }

  @Test(arguments: sizes)
  func `what age encrypts is read whole, streamed and armored`(size: Int) throws {
    let identity = try X25519Identity()
    var generator = SeededGenerator(seed: UInt64(size) + 1)
    let plaintext = generator.bytes(size)
    let recipient = identity.recipient.description
    let file = try Program.check(["age", "-r", recipient], input: plaintext).output
    #expect(try decrypt(file, with: [identity]) == plaintext)
    let streamed = stream(file, step: 100_000, with: [identity])
    #expect(streamed.error == nil)
    #expect(streamed.plaintext == plaintext)
    let text = try Program.check(["age", "-a", "-r", recipient], input: plaintext).output
    #expect(try decrypt(unarmor(text), with: [identity]) == plaintext)
    #expect(armor(try unarmor(text)) == text)
  }

  @Test func `a file to several recipients opens for each`() throws {
    let directory = try TemporaryDirectory()
    let identities = try (0..<3).map { _ in try X25519Identity() }
    let file = try encrypt([1, 2, 3], to: identities.map(\.recipient))
    for identity in identities {
      let key = try directory.write([UInt8](try identity.text.utf8), to: "key")
      #expect(try Program.check(["age", "-d", "-i", key], input: file).output == [1, 2, 3])
    }
    let arguments = ["age"] + identities.flatMap { ["-r", $0.recipient.description] }
    let theirs = try Program.check(arguments, input: [4, 5]).output
    for identity in identities { #expect(try decrypt(theirs, with: [X25519Identity(), identity]) == [4, 5]) }
  }

  @Test func `identity files of age-keygen are read, and ours by age-keygen`() throws {
    let directory = try TemporaryDirectory()
    let file = try Program.check(["age-keygen"]).output
    let identity = try #require(unsafe KeyFile.identities(in: file.span.bytes).first)
    let path = try directory.write(file, to: "key")
    #expect(try Program.check(["age-keygen", "-y", path]).text == identity.recipient.description)
    let text = String(decoding: file, as: UTF8.self)
    #expect(try text.contains("\n" + identity.text + "\n"))
    let ours = try X25519Identity()
    let oursPath = try directory.write([UInt8](try ours.text.utf8), to: "ours")
    #expect(try Program.check(["age-keygen", "-y", oursPath]).text == ours.recipient.description)
  }

  // age asks for passphrases on /dev/tty only, hence the pseudo-terminal. Answers every prompt with argument 1.
  private static let terminal = """
    import os, pty, re, sys
    pid, fd = pty.fork()
    if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
    seen, answered = b"", 0
    while True:
        try: data = os.read(fd, 4096)
        except OSError: break
        if not data: break
        seen += data
        while len(re.findall(rb"passphrase[^:]*: ", seen)) > answered:
            answered += 1
            os.write(fd, sys.argv[1].encode() + b"\\n")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """

  @Test func `age decrypts what is encrypted to a passphrase`() throws {
    let directory = try TemporaryDirectory()
    let file = try encrypt([7, 8, 9], to: [passphraseRecipient("open sesame", logN: 12)])
    let path = try directory.write(file, to: "file.age")
    let command = ["age", "-d", "-o", directory("out"), path]
    try Program.check(["timeout", "60", "python3", "-c", Self.terminal, "open sesame"] + command)
    #expect(try Program.check(["cat", directory("out")]).output == [7, 8, 9])
    let wrong = try Program.run(["timeout", "60", "python3", "-c", Self.terminal, "sesame"] + command)
    #expect(wrong.status != 0)
  }

  @Test func `what age encrypts to a passphrase is decrypted`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write([3, 2, 1], to: "file")
    let command = ["age", "-p", "-o", directory("out.age"), path]
    try Program.check(["timeout", "60", "python3", "-c", Self.terminal, "open sesame"] + command)
    let file = try Program.check(["cat", directory("out.age")]).output
    #expect(try decrypt(file, with: [passphraseIdentity("open sesame")]) == [3, 2, 1])
    let error = #expect(throws: AgeError.self) { _ = try decrypt(file, with: [passphraseIdentity("sesame")]) }
    #expect(error == .wrongPassphrase)
  }
}
