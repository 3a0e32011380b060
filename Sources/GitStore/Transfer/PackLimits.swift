/// What a pack from somebody else may cost.
package struct PackLimits: Hashable, Sendable {
  /// Objects in the pack.
  package var objectCount = 1_000_000
  /// Bytes of one blob.
  package var blobSize = 4 << 20
  /// Bytes of one tree.
  package var treeSize = 16 << 20
  /// Bytes of one commit or tag.
  package var commitSize = 1 << 20
  /// Bytes of all objects together; for a delta its own and the larger of the object and its base.
  package var inflatedSize = 16 << 30
  /// The same for a pack of no bytes, and how many more for each byte of the pack: what few bytes make of much, by deltas or compression, ends there.
  package var inflatedLeast = 1 << 60
  package var inflatedPerByte = 0
  /// Bytes of the pack itself.
  package var packSize = 8 << 30
  /// Deltas between an object and one that is whole or not in the pack.
  package var deltaDepth = 128

  package init() {}

  /// Bytes of one object of the kind.
  func size(of kind: ObjectKind) -> Int {
    switch kind {
    case .blob: blobSize
    case .tree: treeSize
    case .commit, .tag: commitSize
    }
  }

  /// Bytes of one delta.
  var deltaSize: Int { max(blobSize, treeSize, commitSize) }
}
