internal import GitStore

/// The repository's operations as the vault uses them, with its errors.
extension Repository {
  /// The commit that a branch is at, through symbolic references; nil if it is not there.
  func tip(of branch: String) throws(VaultError) -> ObjectName? {
    try wrapped { () throws(GitError) in
      var name = branch
      for _ in 0..<5 {
        switch try reference(name) {
        case .direct(let object): return object
        case .symbolic(let target): name = target
        case nil: return nil
        }
      }
      throw .malformedReference
    }
  }

  func add(_ objects: [NewObject], durable: Bool) throws(VaultError) {
    try wrapped { () throws(GitError) in try write(objects, durability: durable ? .powerLoss : .processCrash) }
  }

  /// Moves a branch by compare-and-swap; false if it is not at `old`.
  func move(_ branch: String, from old: ObjectName?, to new: ObjectName, durable: Bool) throws(VaultError) -> Bool {
    do {
      try updateReference(branch, from: old, to: new, durability: durable ? .powerLoss : .processCrash)
      return true
    } catch .referenceMoved {
      return false
    } catch {
      throw .repository(error)
    }
  }

  /// Puts all that was written so far on the disk.
  func flush() throws(VaultError) { try wrapped { () throws(GitError) in try makeDurable() } }

  /// The same by the quickest way there is.
  func flushQuickly() throws(VaultError) { try wrapped { () throws(GitError) in try makeDurableQuickly() } }

  /// Whether there are so many loose objects that git becomes slow.
  func hasManyLooseObjects() throws(VaultError) -> Bool {
    try wrapped { () throws(GitError) in try estimatedLooseCount() > 10_000 }
  }

  /// Packs loose objects where there are many.
  func pack(shouldStop: @escaping @Sendable () -> Bool) throws(VaultError) {
    try wrapped { () throws(GitError) in _ = try consolidate(shouldStop: shouldStop) }
  }

  func wrapped<R>(_ body: () throws(GitError) -> R) throws(VaultError) -> R {
    do {
      return try body()
    } catch {
      throw .repository(error)
    }
  }
}

extension GitError {
  /// Whether the disk or quota is full.
  package var isOutOfSpace: Bool { self == .outOfSpace }

  /// Whether stored bytes are gone or wrong, so that other objects may still be read.
  package var isDamage: Bool {
    switch self {
    case .missing, .corrupt, .wrongKind, .malformed, .malformedReference: true
    case .notARepository, .unsupportedRepository, .alreadyExists, .invalidReferenceName, .referenceMoved,
      .referenceLocked, .packMalformed, .packTooLarge, .bundleMalformed, .bundleUnsupported, .remote, .notPlain,
      .outOfSpace, .io, .library, .cancelled:
      false
    }
  }
}

extension VaultError {
  /// Whether one object cannot be read here, as its bytes are gone or wrong or its key was withheld, while others may still be.
  package var isUnreadable: Bool {
    switch self {
    case .objectDamaged, .keyWithheld: true
    case .repository(let error): error.isDamage
    default: false
    }
  }

  /// Whether one node cannot be stored, while others may still be.
  var isOfOneNode: Bool { self == .unstorable || isUnreadable }

  /// Whether a commit breaks a rule, or names what does.
  var isFlaw: Bool { if case .commitInvalid = self { true } else { false } }
}
