/// How contents are loaded and changes become versions; Polykey's is an encrypted git vault.
///
/// The file system calls ``load(_:of:)`` and ``seal(_:)`` from any thread, at once, holding no lock;
/// ``commit(_:)`` from one thread at a time, holding no lock.
public protocol Backing: AnyObject, Sendable {
  /// Loads one part of a file's content.
  ///
  /// - Throws: ``VFSError/Code/corrupt`` or ``VFSError/Code/io``.
  func load(_ reference: ContentReference, of object: ObjectID) throws(VFSError) -> Block

  /// Stores parts of large files, all of the full size, ahead of the commit that will name them, so that they need not stay in memory.
  ///
  /// - Returns: Where each is now, in their order.
  func seal(_ parts: [FreshPart]) throws(VFSError) -> [ContentReference]

  /// Lets go of parts that were sealed and that no commit names, nor will.
  func discard(_ parts: [ContentReference])

  /// Makes one version of all `changes`, or tells what others changed meanwhile.
  ///
  /// A node that cannot be stored keeps no other from being stored: it is refused, and all others are stored.
  ///
  /// - Throws: ``VFSError/Code/noSpace`` or ``VFSError/Code/io``; then nothing has changed in the store.
  func commit(_ batch: CommitBatch) throws(VFSError) -> CommitOutcome

  /// Makes all commits so far survive power loss. Called from any thread, also while a commit is being made.
  ///
  /// - Throws: ``VFSError/Code/noSpace`` or ``VFSError/Code/io``.
  func makeDurable() throws(VFSError)

  /// Bytes that the store's disk has left; may be up to 100 ms old.
  func availableBytes() -> Int64

  /// What one node may have; asked once.
  var limits: NodeLimits { get }

  /// Keeps a node beside the versions so that it survives power loss: one that is to be no version yet, or cannot be one.
  ///
  /// It replaces what was kept of the same object. The next file system over the store is given it, unless it was discarded.
  ///
  /// - Throws: ``VFSError/Code/notSupported`` if nothing, or nothing so large, can be kept; ``VFSError/Code/noSpace`` or ``VFSError/Code/io``.
  func keep(_ node: StoredNode) throws(VFSError)

  /// Forgets what is kept of these objects, at once if the process ends, and for good with the next ``commit(_:)`` that is durable.
  ///
  /// A later file system may be given it all the same if that fails.
  func discardKept(_ objects: [ObjectID])
}

/// A part of a large file that is not stored yet.
public struct FreshPart: Sendable {
  /// Its bytes, of which the last may be missing if they are zeros.
  public let block: Block
  /// The file.
  public let object: ObjectID
  /// Which part of it, from 0.
  public let index: Int
}

extension Backing {
  /// Does nothing: for a store that finds out for itself what nobody needs.
  public func discard(_ parts: [ContentReference]) {}

  /// Does nothing: for a store whose every commit is durable, or none can be.
  public func makeDurable() throws(VFSError) {}

  /// No limits.
  public var limits: NodeLimits { NodeLimits() }

  /// Nothing can be kept.
  public func keep(_ node: StoredNode) throws(VFSError) { throw VFSError(.notSupported) }

  /// There is nothing to forget.
  public func discardKept(_ objects: [ObjectID]) {}
}

/// What one version changes.
public struct CommitBatch: Sendable {
  /// New states, each of another object.
  public var puts: [StoredNode]
  /// Objects that are no more.
  public var removals: [ObjectID]
  /// Whether it, and all before it, must survive power loss when the call returns (fsync), not only the process's death.
  public var durable: Bool

  /// A batch; without arguments one that asks only whether others committed.
  public init(puts: [StoredNode] = [], removals: [ObjectID] = [], durable: Bool = false) {
    self.puts = puts
    self.removals = removals
    self.durable = durable
  }
}

/// How a commit ended.
public enum CommitOutcome: Sendable {
  /// All is stored but what is refused. Holds, for each regular file among the batch's puts, where each part is now (nil is a hole), and
  /// why each put that is refused cannot be stored.
  ///
  /// A reference may be put under another object than the one that it was made for, and is then loaded as that one's.
  case committed([ObjectID: [ContentReference?]], refused: [ObjectID: VFSError] = [:])
  /// Nothing was stored, as someone else committed first: apply these changes, then commit again. Also for an empty batch.
  case outdated([ExternalChange])
}

/// A change that another writer of the store made.
public enum ExternalChange: Sendable {
  /// The object is new or has a new state; its content is never `.fresh`.
  case put(StoredNode)
  /// The object is no more.
  case removed(ObjectID)
}
