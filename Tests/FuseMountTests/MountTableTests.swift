import Testing
import VirtualFS

@testable import FuseMount

@Suite("MountTable") struct MountTableTests {
  @Test func `only polykey's mounts are listed, with their paths unescaped`() {
    let text = #"""
      22 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw
      90 28 0:50 / /home/u/a\040b\134c\011\012 rw,nosuid,nodev,relatime shared:9 master:2 - fuse.polykey polykey rw,user_id=1000,group_id=1000
      91 28 0:51 / /mnt ro,relatime - fuse.polykey polykey rw,user_id=0,group_id=0
      92 28 0:52 / /other rw - fuse.sshfs polykey rw,user_id=1
      93 28 0:53 / /short rw - fuse.polykey
      """#
    let entries = MountTable.parse([UInt8](text.utf8))
    #expect(entries.map(\.directory) == ["/home/u/a b\\c\t\n", "/mnt"])
    #expect(entries.map(\.isReadOnly) == [false, true])
    #expect(entries.map(\.user) == [1000, 0])
  }

  @Test func `every error of the file system has an errno`() {
    for code in VFSError.Code.allCases { #expect((1..<134).contains(VFSError(code).errno)) }
  }

  @Test func `an open file's number keeps its handle and whether it appends`() {
    for (raw, appends) in [(UInt64(1), false), (.max >> 1, true)] {
      let file = OpenFile(wire: OpenFile(handle: HandleID(rawValue: raw), appends: appends).wire)
      #expect(file.handle.rawValue == raw)
      #expect(file.appends == appends)
    }
  }
}
