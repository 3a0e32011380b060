/// A git bundle, version 2 (gitformat-bundle(5)): references and a pack of what they lead to, as one file.
package enum GitBundle {
  /// What stands before the pack.
  package struct Header: Hashable, Sendable {
    /// Commits that whoever reads the bundle must have.
    package var prerequisites: [ObjectName]
    /// Full reference names, `HEAD` among them perhaps, and what they lead to.
    package var references: [Reference]

    package init(prerequisites: [ObjectName], references: [Reference]) {
      self.prerequisites = prerequisites
      self.references = references
    }

    func encode() -> [UInt8] {
      var text = "# v2 git bundle\n"
      for name in prerequisites { text += "-\(name.hex) \n" }
      for reference in references { text += "\(reference.object.hex) \(reference.name)\n" }
      return Array((text + "\n").utf8)
    }
  }

  /// A row of the header.
  package struct Reference: Hashable, Sendable {
    package let name: String
    package let object: ObjectName

    package init(name: String, object: ObjectName) {
      self.name = name
      self.object = object
    }
  }

  /// Writes a bundle for one who has `known`, with all that they lead to; those become its prerequisites where they must.
  ///
  /// - Returns: The bundle's header; nil, and nothing written, if no reference leads to anything new, which git makes no bundle of. As in
  ///   git's, references that lead to nothing new are left out.
  /// - Throws: What reading and the sink throw; ``GitError/invalidReferenceName``.
  package static func write(
    _ references: [Reference], known: [ObjectName] = [], from source: any ObjectSource,
    to sink: @escaping PackStreamWriter.Sink
  ) throws(GitError) -> Header? {
    guard references.allSatisfy({ ReferenceName.isAllowed($0.name) }) else { throw .invalidReferenceName }
    let objects = try MissingObjects(for: references.map(\.object), known: known, in: source)
    let header = Header(
      prerequisites: objects.boundary, references: references.filter { objects.contains($0.object) })
    guard !header.references.isEmpty else { return nil }
    try sink(header.encode())
    try objects.writePack(to: sink)
    return header
  }
}

/// Reads a bundle from a stream that nobody vouches for.
///
/// Takes version 2, and 3 if it says no more than that names are SHA-1.
package final class BundleReader {
  /// Bytes of a header.
  private static let headerLimit = 1 << 20

  private enum Line {
    case signature
    case capability
    case prerequisite
    case reference
  }

  private let begin: (GitBundle.Header) throws(GitError) -> Void
  private let pack: PackStreamReader
  /// What stands before the pack, as far as it was read.
  package private(set) var header = GitBundle.Header(prerequisites: [], references: [])
  private var expected = Line.signature
  private var line: [UInt8] = []
  private var headerSize = 0
  private var isInPack = false
  private var failure: GitError?

  /// Begins a bundle.
  ///
  /// - Parameters:
  ///   - pack: Reads the pack in it; fresh.
  ///   - begin: Gets the header before any object is read, and may refuse it.
  package init(reading pack: PackStreamReader, begin: @escaping (GitBundle.Header) throws(GitError) -> Void) {
    self.pack = pack
    self.begin = begin
  }

  /// Takes the next bytes of the bundle, any number of them.
  ///
  /// - Throws: ``GitError/bundleMalformed``, ``GitError/bundleUnsupported``, what `begin` and the pack's reader throw; the same again in
  ///   every further call.
  package func feed(_ bytes: [UInt8]) throws(GitError) {
    if let failure { throw failure }
    do throws(GitError) {
      var rest = bytes[...]
      while !isInPack, let byte = rest.popFirst() {
        headerSize += 1
        guard headerSize <= Self.headerLimit else { throw .bundleMalformed }
        if byte != UInt8(ascii: "\n") {
          line.append(byte)
        } else {
          try take(line[...])
          line = []
        }
      }
      if isInPack, !rest.isEmpty { try pack.feed(Array(rest)) }
    } catch {
      failure = error
      throw error
    }
  }

  /// Ends the bundle.
  ///
  /// - Throws: ``GitError/bundleMalformed`` if its header, ``GitError/packMalformed`` if its pack is not complete; the error of an earlier call.
  package func finish() throws(GitError) {
    if let failure { throw failure }
    guard isInPack else { throw .bundleMalformed }
    try pack.finish()
  }

  /// Takes one line of the header, without its end.
  private func take(_ line: ArraySlice<UInt8>) throws(GitError) {
    if expected == .signature {
      switch String(decoding: line, as: UTF8.self) {
      case "# v2 git bundle": expected = .prerequisite
      case "# v3 git bundle": expected = .capability
      case let other where other.hasPrefix("# v") && other.hasSuffix(" git bundle"): throw .bundleUnsupported
      default: throw .bundleMalformed
      }
      return
    }
    switch line.first {
    case nil:
      isInPack = true
      try begin(header)
    case UInt8(ascii: "@"):
      guard expected == .capability else { throw .bundleMalformed }
      // "object-format": other hashes than SHA-1; "filter": objects are left out.
      guard line.elementsEqual("@object-format=sha1".utf8) else { throw .bundleUnsupported }
    case UInt8(ascii: "-"):
      guard expected != .reference, let name = ObjectName(hex: line.dropFirst().prefix(40)),
        line.count == 41 || line.dropFirst(41).first == UInt8(ascii: " ")
      else { throw .bundleMalformed }
      expected = .prerequisite
      header.prerequisites.append(name)
    default:
      guard let object = ObjectName(hex: line.prefix(40)), line.dropFirst(40).first == UInt8(ascii: " ") else {
        throw .bundleMalformed
      }
      let name = String(decoding: line.dropFirst(41), as: UTF8.self)
      guard name.utf8.elementsEqual(line.dropFirst(41)), ReferenceName.isAllowed(name),
        !header.references.contains(where: { $0.name == name })
      else { throw .bundleMalformed }
      expected = .reference
      header.references.append(GitBundle.Reference(name: name, object: object))
    }
  }
}
