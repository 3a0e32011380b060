import GitStore

/// A repository for what is received, beside the corpus: made once, as an input leaves nothing in it.
enum Scratch {
  /// A blob that it has, for deltas to build on.
  static let known = [UInt8](repeating: 0x61, count: 300)

  static let repository: Repository = {
    do {
      let path = "\(CommandLine.arguments[2]).git"
      do { return try Repository(opening: path) } catch GitError.notARepository {}
      let repository = try Repository.create(at: path)
      try repository.write([NewObject(kind: .blob, bytes: known)], durability: .processCrash)
      return repository
    } catch {
      preconditionFailure("no repository can be made: \(error)")
    }
  }()
}
