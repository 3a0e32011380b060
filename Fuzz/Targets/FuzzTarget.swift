/// One kind of input that comes from others, and what must hold of it whatever its bytes are.
///
/// That nothing traps, and that neither time nor memory run away, libFuzzer watches itself.
struct FuzzTarget: Sendable {
  let name: String
  /// Valid inputs to start from.
  let seeds: @Sendable () throws -> [[UInt8]]
  /// Reads one input; an error is an input that was refused, which is well.
  let read: @Sendable ([UInt8]) throws -> Void

  init(
    _ name: String, seeds: @escaping @Sendable () throws -> [[UInt8]],
    read: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.seeds = seeds
    self.read = read
  }

  static let all: [FuzzTarget] = [
    .frames, .stream, .pairing, .certificate, .pack, .bundle, .objects, .delta, .messages, .membership, .membersLog,
    .age,
    .ageHeader, .ageArmor, .ageKeys, .tar, .sshSignature, .sshKey,
  ]

  /// The one that the program was started for.
  static let chosen = all.first { CommandLine.arguments.dropFirst().first == $0.name }
}

/// Ends the program, which libFuzzer notes with the input, unless `condition` holds.
func require(_ condition: Bool, _ rule: StaticString) {
  if !condition { preconditionFailure("broken: \(rule)") }
}

/// Takes an input apart into what a target wants to be told.
struct Choices {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isEmpty: Bool { rest.isEmpty }

  /// The next byte; 0 at the end.
  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func number() -> Int { Int(byte()) << 8 | Int(byte()) }

  /// The next bytes, as far as there are any.
  mutating func bytes(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return [UInt8](rest.prefix(count))
  }
}

/// Pieces of `bytes`, of `size` bytes but the last.
func pieces(_ bytes: [UInt8], of size: Int) -> [[UInt8]] {
  stride(from: 0, to: bytes.count, by: max(1, size)).map { [UInt8](bytes[$0..<min($0 + max(1, size), bytes.count)]) }
}
