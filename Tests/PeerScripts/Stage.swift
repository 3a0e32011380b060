/// Where a script is played: over the library alone, or on real mounts with a real network between them.
///
/// Persons are numbers; person 0 founds the vault, the others are nobody until they are admitted.
package protocol Stage: AnyObject {
  /// What a person does to the files of the vault; throws a ``CallError`` if they are not there.
  func files(of person: Int) throws -> any PersonFiles

  /// Person 0 makes another a member, who gets the vault at once.
  func admit(_ person: Int, as role: String, withHistory: Bool) throws
  /// Person 0 changes a member's role.
  func setRole(of person: Int, to role: String) throws
  /// Person 0 removes a member.
  func remove(_ person: Int) throws
  /// Person 0 begins a new key.
  func rotate() throws

  /// Takes a person's network away: what others do does not reach it, nor the other way round.
  func disconnect(_ person: Int) throws
  /// Gives it back.
  func reconnect(_ person: Int) throws
  /// Waits until everything has reached all who are connected, and all of them agree.
  func settle() throws

  /// Kills a person's process, and starts it again.
  func restart(_ person: Int) throws
  /// Copies a person's keynode.
  func backUp(_ person: Int) throws
  /// Puts the copy in place of what is there.
  func putBack(_ person: Int) throws
  /// Makes the keynode of one that is nobody yet a copy of another's, which goes on running.
  func copyKeynode(of person: Int, to other: Int) throws

  /// Waits until `condition` holds; false if it never does. A stage on which nothing happens by itself asks once.
  func poll(_ condition: () throws -> Bool) throws -> Bool
  /// Looks over all that is stored, as `polykey verify` and `git fsck` do; throws what they find.
  func verify() throws
}

/// The calls of one person's programs.
///
/// Each throws a ``CallError``.
package protocol PersonFiles: AnyObject {
  /// Creates or truncates a file, writes all of it and closes it.
  func write(_ path: String, _ bytes: [UInt8]) throws
  /// Overwrites a part of a file that is there.
  func overwrite(_ path: String, at offset: Int, _ bytes: [UInt8]) throws
  func read(_ path: String) throws -> [UInt8]
  func makeDirectory(_ path: String) throws
  func removeDirectory(_ path: String) throws
  func rename(_ path: String, to newPath: String) throws
  func removeFile(_ path: String) throws
  func link(_ path: String, as newPath: String) throws
  func makeSymbolicLink(_ path: String, to target: String) throws
  func readSymbolicLink(_ path: String) throws -> String
  func setMode(_ path: String, _ mode: UInt16) throws
  /// The permission bits.
  func mode(_ path: String) throws -> UInt16
  /// The names in a directory, in order; without `.conflicts` where nothing asked for that.
  func list(_ path: String) throws -> [String]

  /// Opens a file for reading, until it is closed.
  func open(_ path: String) throws -> Int
  /// All that an open file holds now.
  func read(descriptor: Int) throws -> [UInt8]
  func close(descriptor: Int)
}

/// A call failed with this errno of errno(3).
package struct CallError: Error, Equatable, CustomStringConvertible {
  package let errno: Int32
  package init(_ errno: Int32) { self.errno = errno }
  package var description: String { "errno \(errno)" }
}
