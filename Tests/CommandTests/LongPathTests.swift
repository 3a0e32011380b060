import Foundation
import TestSupport
import Testing

/// Paths beyond what a vault can store, which only steps from directory to directory lead to.
@Suite("Long paths") struct LongPathTests {
  /// Goes down in directories of a name until no more can be made; says how deep it came and what errno ended it.
  private static let descend = """
    import os, sys
    name, depth = sys.argv[1], 0
    while True:
        try: os.mkdir(name)
        except OSError as e: print(depth, e.errno); break
        os.chdir(name); depth += 1
    """

  @Test func `gnulib's confdir3 ends with ENAMETOOLONG, and costs nobody anything`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("echo 1 > before")
    // 8 bytes a level, and a slash between two: 8,192 bytes are 910 levels.
    #expect(try installation.python(LongPathTests.descend, "confdir3").text == "910 36")
    try installation.shell("echo 2 > after; mkdir -p d/e; echo 3 > d/e/f")
    try installation.unmount()
    try installation.mount()
    #expect(try installation.shell("cat before after d/e/f; find confdir3 | wc -l").text == "1\n2\n3\n910")
    try installation.shell("rm -r confdir3")
    try installation.polykey("verify", "default")
  }

  @Test func `no tree is moved to where its paths would be too long`() throws {
    let installation = try Installation()
    try installation.mount()
    let name = String(repeating: "n", count: 250)
    let output = try installation.python(
      """
      import os, sys
      def descend(levels):
          for _ in range(levels): os.mkdir("\(name)"); os.chdir("\(name)")
      root = os.open(".", os.O_RDONLY)
      os.mkdir("one"); os.chdir("one"); descend(20); open("file", "w").write("1")
      os.fchdir(root); os.mkdir("two"); os.chdir("two"); descend(20)
      try: os.rename("/proc/self/fd/%d/one" % root, "one")
      except OSError as e: print(e.errno)
      os.fchdir(root); os.rename("one", "three"); open("last", "w").write("2")
      """
    ).text
    #expect(output == "36")
    try installation.unmount()
    try installation.mount()
    #expect(try installation.shell("cat last; find . -name file | wc -l").text == "21")
    try installation.polykey("verify", "default")
  }
}
