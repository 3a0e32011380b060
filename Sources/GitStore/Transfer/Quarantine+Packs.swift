extension Quarantine {
  /// A reader that puts a pack's objects here; deltas may have their bases here or in the repository.
  ///
  /// - Throws: ``GitError/library(_:)`` if zlib has no memory.
  package func packReader(limits: PackLimits = PackLimits()) throws(GitError) -> PackStreamReader {
    try PackStreamReader(limits: limits) { [self] (name) throws(GitError) in
      do throws(GitError) {
        return try read(name)
      } catch {
        guard error == .missing(name) else { throw error }
        return nil
      }
    } deliver: { [self] (object) throws(GitError) in
      try add(object)
    }
  }

  /// A reader that puts a bundle's objects here, if the repository has its prerequisites and `begin` does not refuse it.
  ///
  /// - Throws: ``GitError/library(_:)`` if zlib has no memory. The reader throws ``GitError/missing(_:)`` for a prerequisite.
  package func bundleReader(
    limits: PackLimits = PackLimits(), begin: @escaping (GitBundle.Header) throws(GitError) -> Void = { _ in }
  ) throws(GitError) -> BundleReader {
    BundleReader(reading: try packReader(limits: limits)) { [self] (header) throws(GitError) in
      for name in header.prerequisites where try !contains(name) { throw .missing(name) }
      try begin(header)
    }
  }
}
