import Foundation
import TestSupport
import Testing

/// The program in the hands of an ordinary user, which root plays; mounts are made by fusermount3.
@Suite("Ordinary user's commands", .enabled(if: geteuid() == 0)) struct OrdinaryUserTests {
  @Test func `a user makes a keynode, mounts, works, unmounts, and heals a killed mount`() throws {
    let directory = try TemporaryDirectory()
    try Program.check(["cp", Installation.program, directory("polykey")])
    // In a mount namespace of its own the device is everyone's, as udev makes it; and no mount outlives the script.
    let script = """
      mknod fuse c 10 229; chmod 666 fuse; mount --bind fuse /dev/fuse
      mkdir home; chown -R 65534:65534 .
      exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -euc "$1"
      """
    let session = """
      export HOME=$PWD/home; unset POLYKEY_HOME XDG_DATA_HOME; p=$PWD/polykey; cd home
      $p init --no-passphrase > /dev/null
      $p vault create default
      $p mount polykey
      cd polykey/default
      mkdir db; echo -n hunter2 > db/password; cat db/password; echo
      stat -c '%u %g %a' db/password
      ! chown 0 db/password 2> /dev/null
      cd ../..
      stat -c '%a' .local/share/polykey .local/share/polykey/identity
      kill -9 $(ls .local/share/polykey/state/mounts)
      until $p mount polykey && cat polykey/default/db/password; do :; done; echo
      (cd polykey/default; $p unmount $HOME/polykey) 2>&1 | sed 's/.*: //; s/by .* (--/by ... (--/'
      $p unmount polykey
      $p mount polykey; fusermount3 -u polykey
      $p get default:db/password; echo
      $p verify default 2>&1 | tail -1
      """
    let program = try Program.check(
      ["unshare", "-m", "--propagation", "private", "sh", "-euc", script, "sh", session], in: directory.path)
    #expect(
      program.text.split(separator: "\n") == [
        "hunter2", "65534 65534 644", "700", "600", "hunter2",
        "in use by ... (--lazy detaches it all the same)", "hunter2", "all is well",
      ], "\(program.text)\(program.errors)")
  }
}
