import Age
import GitStore

@testable import Vault

extension KeyFiles {
  /// The recipients of the keys in an epoch's file, its own first; none if the file is for others.
  func recipients(_ blob: ObjectName, in repository: Repository) throws -> [String] {
    try identities(blob, in: repository)?.map { "\($0.recipient)" } ?? []
  }
}
