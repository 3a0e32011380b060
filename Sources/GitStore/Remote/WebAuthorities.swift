internal import CLibGit2
internal import Dispatch
internal import Synchronization

/// Whose certificates of hosts are trusted: those of authorities in a PEM file, and in all files of a directory; neither: the system's.
package struct WebAuthorities: Hashable, Sendable {
  package var file: String?
  package var directory: String?

  package init(file: String? = nil, directory: String? = nil) { (self.file, self.directory) = (file, directory) }

  /// Debian's.
  private static let system = WebAuthorities(file: "/etc/ssl/certs/ca-certificates.crt")
  /// What libgit2 uses; it begins with the system's.
  private static let current = Mutex(system)
  private static let turn = DispatchSemaphore(value: 1)

  /// The authorities of one connection, while it lasts: libgit2 has one setting for the process, so connections take turns.
  final class Use {
    init(_ authorities: WebAuthorities) throws(GitError) {
      WebAuthorities.turn.wait()
      // From here on deinit gives the turn back.
      let isDefault = authorities.file == nil && authorities.directory == nil
      let wanted = isDefault ? WebAuthorities.system : authorities
      try WebAuthorities.current.withLock { current throws(GitError) in
        if current == wanted { return }
        guard unsafe clibgit2_set_authorities(wanted.file, wanted.directory) == 0 else {
          throw .remote(.authoritiesUnreadable)
        }
        current = wanted
      }
    }

    deinit { WebAuthorities.turn.signal() }
  }
}
