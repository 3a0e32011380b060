// A stored file that is renamed to an ephemeral name, as an editor makes a backup before it writes the file anew.
//
// The backing goes on having it at its old name for a while: a file that is written there goes on as the same object, and the backup
// then lives in memory only. So a save is one version, and after a crash in the middle of one the old file is there.

extension State {
  /// Keeps a file that was just renamed out of the next commits.
  mutating func hold(_ inode: Inode, _ place: Inode.HeldPlace) {
    inode.heldPlace = place
    held.append(inode.id)
  }

  /// Before a commit: lets new files go on as the objects that were held for them, and lets go of those that must be stored.
  mutating func settleHeld() {
    for id in held {
      guard let old = inodes[id], let place = old.heldPlace else { continue }
      guard let new = inodes[place.parent]?.directory[place.name], new.isPersisted || new.isRequested else { continue }
      old.heldPlace = nil
      guard new.canAdopt(old) else { continue }
      let object = old.object
      old.object = .random()
      old.isPersisted = false
      old.idleSince = place.since
      objects[old.object] = old
      adopt(object, by: new, from: old, at: place.since)
    }
    held.removeAll { inodes[$0]?.heldPlace == nil }
  }
}

extension Inode {
  /// Whether the backing has all of it under its one name.
  var canBeHeld: Bool { isRegular && isPersisted && !isInFlight && !isDirty && links.count == 1 }
}
