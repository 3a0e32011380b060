import Foundation
import TestSupport
import Testing

/// What backups and copies compare is the same after a remount.
@Suite("Lasting attributes of a mount") struct LastingTests {
  @Test func `a remount changes no inode number and no time, and nothing is to be copied again`() throws {
    let installation = try Installation(vaults: ["default", "second"])
    try installation.mount()
    let source = installation.directory("source")
    try installation.shell(
      """
      mkdir -p "$SOURCE/sub/deep"; echo 1 > "$SOURCE/sub/file"; echo 2 > "$SOURCE/sub/deep/other"
      ln "$SOURCE/sub/file" "$SOURCE/linked"; ln -s sub/file "$SOURCE/link"
      touch -d 2001-02-03T04:05:06.789 "$SOURCE/sub/file" "$SOURCE/sub/deep" "$SOURCE/sub" "$SOURCE"
      cp -a "$SOURCE" copied; rsync -aH "$SOURCE/" synced/
      test -z "$(rsync -aHni --delete "$SOURCE/" copied/)"; test -z "$(rsync -aHni --delete "$SOURCE/" synced/)"
      echo new > saved; echo newer > .saved.tmp; mv .saved.tmp saved
      echo 1 > mode; sync mode; chmod 600 mode; cp saved ../second/saved
      """, environment: ["SOURCE": source])
    let look = "find .. -printf '%i %s %C@ %T@ %P\\n' | sort -k5"
    // Attributes alone are stored within two seconds, and by fsync.
    try installation.shell("for file in $(find . -type f -o -type d); do sync $file; done")
    let before = try installation.shell(look).text
    try installation.unmount()
    try installation.mount()
    let after = try installation.shell(look).text
    func files(_ text: String) -> [Substring] {
      // The directories' times are those of their newest entries, if these came later.
      text.split(separator: "\n").filter {
        !["", "default", "second"].contains($0.split(separator: " ").dropFirst(4).first ?? "")
      }
    }
    #expect(files(after) == files(before) && files(before).count > 12)
    let compare = "test -z \"$(rsync -aHni --delete \"$SOURCE/\" copied/)\"; rsync -aHi --delete \"$SOURCE/\" synced/"
    #expect(try installation.shell(compare, environment: ["SOURCE": source]).text == "")
    let numbers = after.split(separator: "\n").compactMap { UInt64($0.split(separator: " ")[0]) }
    #expect(numbers.allSatisfy { $0 < 1 << 32 } && numbers.contains(1))
    let refusal = try Program.run(["mkdir", ".conflicts"], in: installation.mountPoint + "/default")
    #expect(refusal.status != 0 && refusal.errors.contains("Operation not permitted"))
  }
}
