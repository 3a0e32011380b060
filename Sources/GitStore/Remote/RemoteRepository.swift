/// Why another repository could not be used.
package enum RemoteFailure: Hashable, Sendable {
  /// An address that is no path and no `file://`, `ssh://` or `https://` URL, nor `HOST:PATH`.
  case unsupportedAddress
  /// The host cannot be reached, or the connection broke.
  case unreachable
  /// There is no repository, or none that may be read.
  case notFound
  /// No ssh key that was tried is accepted.
  case notAuthenticated
  /// The host wants a user name and a password, and nothing gave them.
  case passwordMissing
  /// The host does not accept the user name and password.
  case passwordWrong
  /// An address that a password is part of: addresses are kept in clear, and shown.
  case passwordInAddress
  /// The host's key is not in `known_hosts`.
  case hostNotTrusted
  /// The host's certificate is not from an authority that is trusted, or not for this host, or not valid now.
  case certificateNotTrusted
  /// The certificates of authorities cannot be read.
  case authoritiesUnreadable
  /// The other side refused, or does not speak git's protocol; over ssh also where it has no such repository.
  case refused
}

/// What became of one reference that was pushed.
package enum PushOutcome: Hashable, Sendable {
  case updated
  /// It was there already.
  case upToDate
  /// It has commits that the new value does not lead to, or that are not known here.
  case notFastForward
  /// The other side's reason, in its words: at most 200 printable ASCII characters.
  case rejected(reason: String)
}

/// Another git repository, by its address, through any of git's transports.
///
/// Calls block, and may come from any thread. Over ssh the keys are those of the agent and the usual key files without passphrase, and hosts
/// are checked against `~/.ssh/known_hosts`. Over https both come from ``access``. No git configuration is used.
package struct RemoteRepository: Sendable {
  /// A reference there.
  package struct Head: Hashable, Sendable {
    /// `HEAD`, or a full name below `refs/`.
    package let name: String
    package let object: ObjectName
  }

  /// A reference to be set there.
  package struct Push: Sendable {
    /// A full name below `refs/`.
    package let name: String
    package let object: ObjectName
    /// Whether it may lose commits.
    package let isForced: Bool

    package init(name: String, object: ObjectName, isForced: Bool = false) {
      self.name = name
      self.object = object
      self.isForced = isForced
    }
  }

  /// Its address, as given.
  package let address: String
  /// What is used if it is on another host, over https.
  package var access = WebAccess()
  /// Told how far each transfer has come, from the thread of the call; it must return soon.
  package var progressed: @Sendable (RemoteProgress) -> Void = { _ in }
  private let repository: Repository
  /// Nil if it is on another host.
  private let localPath: String?

  /// The repository at `address`, a path, URL or `HOST:PATH`, seen from `repository`; nothing is opened yet.
  ///
  /// - Throws: ``GitError/remote(_:)`` with ``RemoteFailure/unsupportedAddress``, also for transports that protect nothing.
  package init(at address: String, from repository: Repository) throws(GitError) {
    let scheme = address.firstRange(of: "://").map { address[..<$0.lowerBound] }
    // "::" is how git names a program to run as a transport.
    guard !address.isEmpty, !address.hasPrefix("-"), !address.utf8.contains(0), !address.contains("::"),
      scheme.map({ ["file", "ssh", "https"].contains($0) }) ?? true
    else { throw .remote(.unsupportedAddress) }
    guard scheme == nil || !Self.hasPassword(address) else { throw .remote(.passwordInAddress) }
    self.address = address
    self.repository = repository
    localPath = try scheme == nil ? Self.path(address) : scheme == "file" ? Self.path(ofURL: address) : nil
  }

  /// Whether a URL has one, as in `https://user:password@host/`.
  private static func hasPassword(_ url: String) -> Bool {
    let rest = url[(url.firstRange(of: "://")?.upperBound ?? url.startIndex)...].prefix { $0 != "/" }
    return rest.lastIndex(of: "@").map { rest[..<$0].contains(":") } ?? false
  }

  /// The path that an address without scheme is; nil for `HOST:PATH`.
  private static func path(_ address: String) -> String? {
    guard let colon = address.firstIndex(of: ":") else { return address }
    return address[..<colon].contains("/") ? address : nil
  }

  /// The path of a `file://` URL, with its `%` escapes decoded.
  private static func path(ofURL url: String) throws(GitError) -> String {
    let rest = url.dropFirst("file://".count)
    guard let slash = rest.firstIndex(of: "/"), ["", "localhost"].contains(rest[..<slash]) else {
      throw .remote(.unsupportedAddress)
    }
    var bytes: [UInt8] = []
    var escaped = Array(rest[slash...].utf8)[...]
    while let byte = escaped.popFirst() {
      if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: escaped.prefix(2), as: UTF8.self), radix: 16) {
        bytes.append(value)
        escaped = escaped.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The references there; those with names that git does not allow are left out.
  ///
  /// - Throws: ``GitError/remote(_:)``, ``GitError/cancelled``.
  package func heads(shouldStop: @escaping @Sendable () -> Bool = { false }) throws(GitError) -> [Head] {
    if let localPath { return try Self.openLocal(localPath).heads }
    return try session(shouldStop).connect(.fetch)
  }

  /// Brings what the named references lead to, as far as the repository lacks it, into `quarantine`.
  ///
  /// - Returns: Those of the references that exist there, with their values, all of which can now be read through `quarantine`.
  /// - Throws: ``GitError/remote(_:)``, ``GitError/packMalformed``, ``GitError/packTooLarge``, ``GitError/outOfSpace``,
  ///   ``GitError/cancelled``; some objects may then be in quarantine. For a local one also what opening and reading throw.
  package func fetch(
    _ names: [String], into quarantine: Quarantine, limits: PackLimits = PackLimits(),
    shouldStop: @escaping @Sendable () -> Bool = { false }
  ) throws(GitError) -> [Head] {
    if let localPath {
      let remote = try Self.openLocal(localPath)
      return try take(names, of: remote.heads, into: quarantine) { (_, missing) throws(GitError) in
        // What both have: our branches that are there, theirs that are here.
        var known: [ObjectName] = []
        for name in try repository.references().map(\.object) + remote.heads.map(\.object) {
          if try repository.isCommit(name), try remote.isCommit(name) { known.append(name) }
        }
        let reader = try quarantine.packReader(limits: limits)
        let objects = try MissingObjects(for: missing, known: known, in: remote)
        try objects.writePack { (bytes) throws(GitError) in
          if shouldStop() { throw .cancelled }
          try reader.feed(bytes)
          progressed(RemoteProgress(of: reader))
        }
        try reader.finish()
      }
    }
    let session = try session(shouldStop)
    return try take(names, of: session.connect(.fetch), into: quarantine) { (missing, _) throws(GitError) in
      try session.download(missing, to: quarantine.packReader(limits: limits))
    }
  }

  private func session(_ shouldStop: @escaping @Sendable () -> Bool) throws(GitError) -> RemoteSession {
    // Libgit2 does not count the bytes that it writes to a path.
    let isCounting = localPath == nil
    let progressed: @Sendable (RemoteProgress) -> Void = { [progressed] progress in
      progressed(isCounting ? progress : progress.withoutBytes)
    }
    return try RemoteSession(
      to: address, for: repository, access: access, progressed: progressed, shouldStop: shouldStop)
  }

  /// Has `download` bring what is missing of the named references, and returns them.
  private func take(
    _ names: [String], of heads: [Head], into quarantine: Quarantine,
    _ download: (_ names: [String], _ objects: [ObjectName]) throws(GitError) -> Void
  ) throws(GitError) -> [Head] {
    let heads = heads.filter { $0.name != "HEAD" && names.contains($0.name) }
    var missing: [Head] = []
    for head in heads {
      if try !repository.contains(head.object) { missing.append(head) }
    }
    if !missing.isEmpty { try download(missing.map(\.name), missing.map(\.object)) }
    for head in heads {
      guard try quarantine.contains(head.object) else { throw .packMalformed }
    }
    return heads
  }

  /// Opens a repository on this machine to read it; libgit2's transport would copy all of it each time.
  private static func openLocal(_ path: String) throws(GitError) -> Repository {
    do throws(GitError) {
      return try Repository(inspecting: path)
    } catch {
      guard error == .notARepository else { throw error }
    }
    do throws(GitError) {
      return try Repository(inspecting: path + "/.git")
    } catch {
      throw error == .notARepository ? .remote(.notFound) : error
    }
  }

  /// Sets references there, each for itself, and sends what they need.
  ///
  /// - Returns: What became of each, by name.
  /// - Throws: ``GitError/remote(_:)``; ``GitError/missing(_:)``, ``GitError/corrupt(_:)`` if what is to be sent is not whole here;
  ///   ``GitError/invalidReferenceName``, ``GitError/cancelled``.
  package func push(
    _ pushes: [Push], shouldStop: @escaping @Sendable () -> Bool = { false }
  ) throws(GitError) -> [String: PushOutcome] {
    guard pushes.allSatisfy({ ReferenceName.isAllowed($0.name) && $0.name != "HEAD" }) else {
      throw .invalidReferenceName
    }
    let session = try session(shouldStop)
    let heads = try session.connect(.push)
    let current = Dictionary(heads.map { ($0.name, $0.object) }) { first, _ in first }
    var outcomes: [String: PushOutcome] = [:]
    var sent: [Push] = []
    for push in pushes {
      if current[push.name] == push.object {
        outcomes[push.name] = .upToDate
      } else {
        let isAllowed = if push.isForced { true } else { try isFastForward(push.object, from: current[push.name]) }
        if isAllowed { sent.append(push) } else { outcomes[push.name] = .notFastForward }
      }
    }
    guard !sent.isEmpty else { return outcomes }
    // Read here first, since libgit2 does not tell which object is damaged.
    var known: [ObjectName] = []
    for head in heads {
      if try repository.isCommit(head.object) { known.append(head.object) }
    }
    let objects = try MissingObjects(for: sent.map(\.object), known: known, in: repository)
    for name in objects.names {
      if shouldStop() { throw .cancelled }
      _ = try repository.read(name)
    }
    let reasons = try session.upload(sent)
    for push in sent {
      switch reasons[push.name] {
      case nil: outcomes[push.name] = .rejected(reason: "no answer")
      case .some(nil): outcomes[push.name] = .updated
      case .some(let reason?): outcomes[push.name] = .rejected(reason: reason)
      }
    }
    return outcomes
  }

  private func isFastForward(_ object: ObjectName, from old: ObjectName?) throws(GitError) -> Bool {
    guard let old else { return true }
    guard try repository.isCommit(old) else { return false }
    return try repository.isAncestor(old, of: object)
  }
}

extension Repository {
  fileprivate func isCommit(_ name: ObjectName) throws(GitError) -> Bool { try kindAndSize(name)?.kind == .commit }

  /// `HEAD` and the references.
  fileprivate var heads: [RemoteRepository.Head] {
    get throws(GitError) {
      var heads = try references().map { RemoteRepository.Head(name: $0.name, object: $0.object) }
      if let head = try resolve("HEAD") { heads.insert(RemoteRepository.Head(name: "HEAD", object: head), at: 0) }
      return heads
    }
  }
}
