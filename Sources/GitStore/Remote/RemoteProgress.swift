/// How far a transfer from or to another repository has come.
package struct RemoteProgress: Hashable, Sendable {
  package enum Stage: Hashable, Sendable {
    /// What is to be sent is being put together; no bytes yet.
    case preparing
    case sending
    case receiving
  }

  package let stage: Stage
  package let objectCount: Int
  package let totalCount: Int
  /// Of the pack; 0 where it is not known.
  package let byteCount: Int
}

extension RemoteProgress {
  var withoutBytes: RemoteProgress {
    RemoteProgress(stage: stage, objectCount: objectCount, totalCount: totalCount, byteCount: 0)
  }

  /// What has come into a reader.
  init(of reader: PackStreamReader) {
    self.init(
      stage: .receiving, objectCount: reader.objectCount, totalCount: reader.totalCount, byteCount: reader.byteCount)
  }
}
