/// What is known of kinds of file systems, by the number that statfs(2) tells.
enum FileSystems {
  /// Those of which syncfs(2) puts everything on the disk.
  ///
  /// One that is not listed is told of each file.
  /// A file system in user space (FUSE, `0x65735546`) gets what the kernel has cached, and is not asked to put it anywhere; 9p neither.
  static let areSyncedWhole: Set<UInt64> = [
    0xEF53,  // ext2, ext3, ext4
    0x5846_5342,  // xfs
    0x9123_683E,  // btrfs
    0xF2F5_2010,  // f2fs
    0xCA45_1A4E,  // bcachefs
    0x2FC1_2FC1,  // zfs
    0x3153_464A,  // jfs
    0x3434,  // nilfs2
    0x2405_1905,  // ubifs
    0x794C_7630,  // overlayfs, which passes it on
    0x0102_1994,  // tmpfs, which no power loss leaves anything of
    0x8584_58F6,  // ramfs
  ]
}
