import GitStore
import PeerSync

/// What each kind of transfer tells of itself.
extension ProgressLine {
  func note(_ progress: TransferProgress) {
    note(progress.isOutgoing ? .outgoing : .incoming) { meter in
      meter.advance(
        progress.isOutgoing ? "sending" : "receiving", partCount: progress.byteCount, isComplete: progress.isComplete)
    }
  }

  func note(_ progress: RemoteProgress) {
    let objects = (progress.objectCount, progress.totalCount)
    let byteCount = UInt64(clamping: progress.byteCount)
    switch progress.stage {
    case .receiving: note(.incoming) { $0.set("receiving", byteCount: byteCount, objects: objects) }
    case .preparing: note(.outgoing) { $0.set("preparing", objects: objects) }
    case .sending: note(.outgoing) { $0.set("sending", byteCount: byteCount, objects: objects) }
    }
  }
}
