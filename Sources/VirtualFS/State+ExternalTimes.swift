// When directories changed, as far as it is stored.

extension State {
  /// Dates the directories that came, and after populating those that only paths stand for.
  ///
  /// A directory's own time is shown if nothing in it is newer than that was stored; else it is as new as its newest entry, as creating an
  /// entry stores no directory. What copies trees (rsync) dates directories, and links and dates what is in them just after: a time that was
  /// set holds for two seconds more.
  func dateDirectories(_ merge: inout ExternalMerge) {
    for node in merge.puts.values {
      guard case .directory = node.body, let directory = objects[node.object], directory.isDirectory,
        directory.attributesDirtySince == nil
      else { continue }
      let newest = newestEntry(of: directory, merge)
      let before = (directory.modified, directory.changed)
      let (limit, overflow) = node.changed.seconds.addingReportingOverflow(node.modified == node.changed ? 0 : 2)
      let settled = Timestamp(seconds: overflow ? .max : limit, nanoseconds: node.changed.nanoseconds)
      if newest.map({ $0 <= settled }) ?? true {
        (directory.modified, directory.changed) = (node.modified, node.changed)
      } else if let newest, merge.isFirst {
        directory.modified = max(node.modified, newest)
        directory.changed = newest
      } else {
        directory.modified = max(directory.modified, node.modified)
        directory.changed = max(directory.changed, node.changed)
      }
      if before != (directory.modified, directory.changed) { merge.told.note(directory, .names) }
    }
    guard merge.isFirst else { return }
    for directory in inodes.values where directory.isDirectory && !directory.isPersisted {
      guard let newest = newestEntry(of: directory, merge) else { continue }
      (directory.modified, directory.changed) = (newest, newest)
    }
  }

  /// When the newest of a directory's entries changed, its directories' entries aside; nil if it is empty.
  private func newestEntry(of directory: Inode, _ merge: ExternalMerge) -> Timestamp? {
    directory.directory.inodes.map { inode in
      inode.isDirectory ? merge.puts[inode.object]?.changed ?? inode.changed : inode.changed
    }.max()
  }
}
