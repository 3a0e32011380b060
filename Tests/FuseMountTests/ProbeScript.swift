/// A list of file operations in Python, each a check of what programs rely on; prints one line a check.
let probeScript = #"""
  import ctypes, errno, fcntl, mmap, os, shutil, socket, sqlite3, stat, struct, subprocess, sys, threading, time
  os.chdir(sys.argv[1])
  libc = ctypes.CDLL(None, use_errno=True)
  checks = []
  def check(f):
      checks.append(f); return f
  def fails(code, f, *a, **k):
      try: f(*a, **k)
      except OSError as e:
          assert e.errno == code, f"{errno.errorcode.get(e.errno)} instead of {errno.errorcode[code]}"
      else: assert False, "no error"
  def put(path, data, mode="wb"):
      with open(path, mode) as f: f.write(data)
  def get(path):
      with open(path, "rb") as f: return f.read()
  def renameat2(a, b, flags):
      if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), flags) != 0:
          raise OSError(ctypes.get_errno(), "renameat2")
  def fallocate(fd, mode, off, length):
      if libc.fallocate(fd, mode, ctypes.c_long(off), ctypes.c_long(length)) != 0:
          raise OSError(ctypes.get_errno(), "fallocate")

  @check
  def write_read():
      put("a", b"one"); assert get("a") == b"one"; put("a", b"twotwo"); assert get("a") == b"twotwo"
  @check
  def empty_file():
      put("e", b""); assert get("e") == b"" and os.stat("e").st_size == 0
  @check
  def large_file():
      data = bytes(range(256)) * 12289
      put("a", data); assert get("a") == data
      with open("a", "r+b") as f: f.seek(1048570); f.write(b"X" * 20)
      assert get("a")[1048570:1048590] == b"X" * 20 and len(get("a")) == len(data)
  @check
  def open_flags():
      put("a", b"12345")
      fails(errno.EEXIST, os.open, "a", os.O_CREAT | os.O_EXCL | os.O_RDWR)
      fails(errno.ENOENT, os.open, "b", os.O_RDONLY)
      os.mkdir("d"); fails(errno.EISDIR, os.open, "d", os.O_WRONLY); fails(errno.ENOTDIR, os.open, "a", os.O_DIRECTORY)
      fd = os.open("a", os.O_WRONLY | os.O_TRUNC); assert os.fstat(fd).st_size == 0; os.close(fd)
      fd = os.open("a", os.O_RDONLY); fails(errno.EBADF, os.write, fd, b"x"); os.close(fd)
  @check
  def o_append():
      put("a", b"1")
      f = os.open("a", os.O_WRONLY | os.O_APPEND); g = os.open("a", os.O_WRONLY | os.O_APPEND)
      os.write(f, b"2"); os.write(g, b"3"); os.write(f, b"4"); os.close(f); os.close(g); assert get("a") == b"1234"
  @check
  def o_append_race():
      def work(i):
          fd = os.open("r", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
          for n in range(50): os.write(fd, b"%d:%02d\n" % (i, n))
          os.close(fd)
      ts = [threading.Thread(target=work, args=(i,)) for i in range(4)]
      [t.start() for t in ts]; [t.join() for t in ts]
      lines = get("r").split(); assert len(lines) == 200 and len(set(lines)) == 200, len(lines)
  @check
  def o_append_mapping():
      # The kernel may write a mapping's page through a handle that appends.
      put("a", b"\0" * 4096)
      g = os.open("a", os.O_RDWR | os.O_APPEND); f = os.open("a", os.O_RDWR)
      m = mmap.mmap(f, 4096); m[0:3] = b"abc"; m.flush(); os.write(g, b"end"); os.close(g)
      m[4:7] = b"xyz"; m.flush(); m.close(); os.close(f)
      assert get("a") == b"abc\0xyz" + b"\0" * 4089 + b"end"
  @check
  def o_direct():
      put("a", b"x" * 8192); fd = os.open("a", os.O_RDWR | os.O_DIRECT)
      m = mmap.mmap(-1, 4096); assert os.readv(fd, [m]) == 4096 and m[:2] == b"xx"; os.close(fd)
  @check
  def o_sync():
      fd = os.open("a", os.O_WRONLY | os.O_CREAT | os.O_SYNC); os.write(fd, b"s"); os.fsync(fd); os.fdatasync(fd); os.close(fd)
  @check
  def truncates():
      put("a", b"123456"); os.truncate("a", 3); assert get("a") == b"123"; os.truncate("a", 5); assert get("a") == b"123\0\0"
      with open("a", "r+b") as f: f.truncate(1)
      assert get("a") == b"1"
  @check
  def sparse():
      fd = os.open("s", os.O_RDWR | os.O_CREAT); os.pwrite(fd, b"end", 100 << 20)
      st = os.fstat(fd); assert st.st_size == (100 << 20) + 3 and st.st_blocks * 512 <= 1 << 20, st.st_blocks
      assert os.pread(fd, 4, 50 << 20) == b"\0" * 4; os.close(fd)
  @check
  def seek_data_hole():
      fd = os.open("s", os.O_RDWR | os.O_CREAT); os.pwrite(fd, b"x" * 4096, 1 << 20); os.ftruncate(fd, 4 << 20)
      d = os.lseek(fd, 0, os.SEEK_DATA); h = os.lseek(fd, d, os.SEEK_HOLE)
      assert 0 <= d <= 1 << 20 < h <= 4 << 20, (d, h)
      fails(errno.ENXIO, os.lseek, fd, 5 << 20, os.SEEK_DATA); os.close(fd)
  @check
  def fallocates():
      put("a", b"y" * 8192); fd = os.open("a", os.O_RDWR)
      fallocate(fd, 0, 0, 16384); assert os.fstat(fd).st_size == 16384
      fallocate(fd, 1, 0, 32768); assert os.fstat(fd).st_size == 16384
      fallocate(fd, 3, 0, 4096); assert os.pread(fd, 2, 0) == b"\0\0" and os.pread(fd, 1, 4096) == b"y"
      fallocate(fd, 17, 4096, 4096); assert os.pread(fd, 1, 4096) == b"\0"
      fails(errno.EOPNOTSUPP, fallocate, fd, 8, 0, 4096); os.close(fd)
  @check
  def copy_file_range():
      put("a", b"0123456789" * 1000); f = os.open("a", os.O_RDONLY); t = os.open("b", os.O_RDWR | os.O_CREAT)
      assert os.copy_file_range(f, t, 5000, 5, 0) == 5000; os.close(f); os.close(t)
      assert get("b") == (b"0123456789" * 1000)[5:5005]
  @check
  def sendfile_and_cp():
      put("a", b"z" * 300000); subprocess.run(["cp", "-a", "a", "b"], check=True); assert get("b") == get("a")
  @check
  def unlink_open():
      f = open("u", "w+b"); f.write(b"still"); f.flush(); os.unlink("u"); assert not os.path.exists("u")
      assert os.fstat(f.fileno()).st_nlink == 0; f.seek(0); assert f.read() == b"still"; f.write(b"!"); f.flush()
      os.fchmod(f.fileno(), 0o600); f.truncate(2); assert os.fstat(f.fileno()).st_size == 2; f.close()
  @check
  def rename_over_open():
      put("a", b"old"); put("b", b"new"); f = open("a", "rb"); os.rename("b", "a"); assert f.read() == b"old"
      assert get("a") == b"new"; f.close()
  @check
  def hard_links():
      put("a", b"1"); os.link("a", "b"); assert os.stat("a").st_nlink == 2 and os.stat("a").st_ino == os.stat("b").st_ino
      put("b", b"22"); assert get("a") == b"22"; os.unlink("a"); assert get("b") == b"22" and os.stat("b").st_nlink == 1
      os.mkdir("d"); fails(errno.EPERM, os.link, "d", "d2"); fails(errno.EEXIST, os.link, "b", "d")
  @check
  def symlinks():
      os.symlink("target", "l"); assert os.readlink("l") == "target" and os.lstat("l").st_size == 6
      os.symlink("x" * 4095, "long"); assert os.readlink("long") == "x" * 4095
      fails(errno.ENOENT, open, "l"); put("target", b"t"); assert get("l") == b"t"
      os.symlink("l2", "l1"); os.symlink("l1", "l2"); fails(errno.ELOOP, open, "l1")
  @check
  def directories():
      os.mkdir("d", 0o750); assert stat.S_IMODE(os.stat("d").st_mode) == 0o750 and os.stat("d").st_nlink == 2
      os.mkdir("d/e"); assert os.stat("d").st_nlink == 3
      fails(errno.ENOTEMPTY, os.rmdir, "d"); fails(errno.EEXIST, os.mkdir, "d"); put("f", b""); fails(errno.ENOTDIR, os.rmdir, "f")
      fails(errno.EISDIR, os.unlink, "d"); os.rmdir("d/e"); assert os.stat("d").st_nlink == 2; os.rmdir("d"); assert "d" not in os.listdir()
  @check
  def many_entries():
      os.mkdir("d"); names = {f"file-{i:05d}" for i in range(3000)}
      for n in names: os.mknod("d/" + n)
      assert set(os.listdir("d")) == names
      for n in sorted(names)[::2]: os.unlink("d/" + n)
      assert len(os.listdir("d")) == 1500
      with os.scandir("d") as it: assert all(e.is_file() and e.stat().st_size == 0 for e in it)
      shutil.rmtree("d")
  @check
  def remove_while_listing():
      os.mkdir("d")
      for i in range(500): os.mknod(f"d/{i}")
      seen = 0
      with os.scandir("d") as it:
          for e in it: os.unlink(e.path); seen += 1
      assert seen == 500 and os.listdir("d") == []
  @check
  def fsync_directory():
      os.mkdir("d"); fd = os.open("d", os.O_RDONLY); os.fsync(fd); os.close(fd)
  @check
  def dot_entries():
      os.mkdir("d"); out = subprocess.run(["ls", "-ai", "d"], capture_output=True, text=True, check=True).stdout.split()
      assert out[0] == str(os.stat("d").st_ino) and "." in out and ".." in out
  @check
  def renames():
      put("a", b"a"); os.mkdir("d"); os.mkdir("d/e"); os.rename("a", "d/e/b"); assert get("d/e/b") == b"a"
      fails(errno.EINVAL, os.rename, "d", "d/e/x"); os.mkdir("n"); fails(errno.ENOTEMPTY, os.rename, "n", "d")
      put("f", b""); fails(errno.ENOTDIR, os.rename, "n", "f"); fails(errno.EISDIR, os.rename, "f", "n")
      os.rename("d/e", "n"); assert get("n/b") == b"a"; fails(errno.ENOENT, os.rename, "nothing", "x")
  @check
  def rename_flags():
      put("a", b"A"); put("b", b"B"); fails(errno.EEXIST, renameat2, "a", "b", 1); renameat2("a", "c", 1)
      renameat2("b", "c", 2); assert get("b") == b"A" and get("c") == b"B"; os.mkdir("d"); renameat2("d", "b", 2)
      assert os.path.isdir("b") and get("d") == b"A"; fails(errno.EINVAL, renameat2, "c", "w", 4)
  @check
  def xattrs():
      put("a", b""); os.setxattr("a", "user.k", b"v1"); assert os.getxattr("a", "user.k") == b"v1"
      assert os.listxattr("a") == ["user.k"]; fails(errno.EEXIST, os.setxattr, "a", "user.k", b"x", os.XATTR_CREATE)
      fails(errno.ENODATA, os.setxattr, "a", "user.n", b"x", os.XATTR_REPLACE); os.setxattr("a", "user.e", b"")
      assert os.getxattr("a", "user.e") == b""; fails(errno.ENODATA, os.getxattr, "a", "user.none")
      buf = ctypes.create_string_buffer(1)
      assert libc.getxattr(b"a", b"user.k", buf, 1) == -1 and ctypes.get_errno() == errno.ERANGE
      assert libc.getxattr(b"a", b"user.k", None, 0) == 2 and libc.listxattr(b"a", None, 0) == 14
      os.removexattr("a", "user.k"); os.removexattr("a", "user.e"); assert os.listxattr("a") == []
      fails(errno.ENODATA, os.removexattr, "a", "user.k"); os.setxattr("a", "user.big", b"b" * 60000)
      assert len(os.getxattr("a", "user.big")) == 60000
      fails(errno.ENODATA, os.getxattr, "a", "system.posix_acl_access")
      os.mkdir("d"); os.setxattr("d", "user.k", b"d"); assert os.getxattr("d", "user.k") == b"d"
  @check
  def modes_and_owners():
      put("a", b""); os.chmod("a", 0o4751); assert stat.S_IMODE(os.stat("a").st_mode) == 0o4751
      if os.getuid() == 0:
          os.chown("a", 12, 34); st = os.stat("a"); assert (st.st_uid, st.st_gid) == (12, 34)
      old = os.umask(0o027); os.close(os.open("m", os.O_CREAT, 0o666)); os.mkdir("md", 0o777); os.umask(old)
      assert stat.S_IMODE(os.stat("m").st_mode) == 0o640 and stat.S_IMODE(os.stat("md").st_mode) == 0o750
  @check
  def set_group_directory():
      if os.getuid() != 0: return
      os.mkdir("d"); os.chown("d", 0, 77); os.chmod("d", 0o2775); put("d/f", b""); os.mkdir("d/s")
      assert os.stat("d/f").st_gid == 77 and os.stat("d/s").st_gid == 77 and os.stat("d/s").st_mode & 0o2000
  @check
  def times():
      put("a", b""); os.utime("a", ns=(1_000_000_123, 2_000_000_456)); st = os.stat("a")
      assert (st.st_atime_ns, st.st_mtime_ns) == (1_000_000_123, 2_000_000_456)
      os.utime("a", ns=(-5_500_000_000, -1)); assert os.stat("a").st_mtime_ns == -1
      os.utime("a"); assert abs(os.stat("a").st_mtime - time.time()) < 60; c = os.stat("a").st_ctime_ns
      put("a", b"x"); assert os.stat("a").st_ctime_ns >= c and os.stat("a").st_mtime_ns >= c
  @check
  def directory_times():
      os.mkdir("d"); os.utime("d", (1, 1)); put("d/f", b""); assert os.stat("d").st_mtime > 1
      os.utime("d", (1, 1)); os.unlink("d/f"); assert os.stat("d").st_mtime > 1
  @check
  def names():
      long = "n" * 255; put(long, b"l"); assert get(long) == b"l"; fails(errno.ENAMETOOLONG, open, "n" * 256, "w")
      odd = b"\xff\xfe \n\t\\*\"'"; put(odd, b"o"); assert odd in os.listdir(b".") and get(odd) == b"o"
      fails(errno.EINVAL if False else errno.ENOENT, open, "missing/child")
  @check
  def deep_paths():
      base = os.getcwd()
      try:
          for _ in range(60): os.mkdir("deep"); os.chdir("deep")
          put("f", b"down"); assert get("f") == b"down"; assert os.getcwd().count("deep") >= 60
      finally: os.chdir(base)
      shutil.rmtree("deep")
  @check
  def fifo():
      os.mkfifo("p"); assert stat.S_ISFIFO(os.stat("p").st_mode)
      t = threading.Thread(target=lambda: put("p", b"through")); t.start(); assert get("p") == b"through"; t.join()
  @check
  def unix_socket():
      s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.listen(1); assert stat.S_ISSOCK(os.stat("sock").st_mode)
      c = socket.socket(socket.AF_UNIX); c.connect("sock"); p, _ = s.accept(); c.send(b"hi"); assert p.recv(2) == b"hi"
      [x.close() for x in (s, c, p)]
  @check
  def device_nodes():
      if os.getuid() != 0: return
      os.mknod("z", stat.S_IFCHR | 0o666, os.makedev(1, 5)); st = os.stat("z")
      assert stat.S_ISCHR(st.st_mode) and st.st_rdev == os.makedev(1, 5)
      os.mknod("blk", stat.S_IFBLK | 0o600, os.makedev(7, 300)); assert os.stat("blk").st_rdev == os.makedev(7, 300)
  @check
  def mmap_shared():
      put("m", b"0" * 10000); f = open("m", "r+b"); m = mmap.mmap(f.fileno(), 0); m[5000:5003] = b"map"; m.flush()
      assert get("m")[5000:5003] == b"map"; m.close(); f.close()
  @check
  def mmap_after_close():
      put("m", b"0" * 4096); f = open("m", "r+b"); m = mmap.mmap(f.fileno(), 0); f.close(); m[0:4] = b"late"; m.close()
      assert get("m")[:4] == b"late"
  @check
  def mmap_between_processes():
      put("m", b"0" * 4096); f = open("m", "r+b"); m = mmap.mmap(f.fileno(), 0); pid = os.fork()
      if pid == 0: m[0:2] = b"ch"; os._exit(0)
      os.waitpid(pid, 0); assert m[0:2] == b"ch"; m.close(); f.close()
  @check
  def flock_and_fcntl():
      put("k", b"12345"); f = open("k", "r+b"); g = open("k", "r+b"); fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
      fails(errno.EAGAIN, fcntl.flock, g, fcntl.LOCK_EX | fcntl.LOCK_NB); fcntl.flock(f, fcntl.LOCK_UN)
      fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 2); pid = os.fork()
      if pid == 0:
          try: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 2); os._exit(1)
          except OSError: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 2); os._exit(0)
      assert os.waitpid(pid, 0)[1] == 0; ofd = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
      h = open("k", "r+b"); fcntl.lockf(f, fcntl.LOCK_UN); fcntl.fcntl(f, 37, ofd); fails(errno.EAGAIN, fcntl.fcntl, h, 37, ofd)
  @check
  def sqlite_rollback():
      c = sqlite3.connect("db"); c.execute("create table t(x)")
      with c: c.executemany("insert into t values(?)", [(i,) for i in range(2000)])
      assert c.execute("select sum(x) from t").fetchone()[0] == 1999000; c.close()
      out = subprocess.run(["sqlite3", "db", "pragma integrity_check; select count(*) from t"], capture_output=True, text=True)
      assert out.stdout.split() == ["ok", "2000"], out
  @check
  def sqlite_wal():
      c = sqlite3.connect("db"); assert c.execute("pragma journal_mode=wal").fetchone()[0] == "wal"
      c.execute("create table t(x)"); d = sqlite3.connect("db"); c.execute("insert into t values(1)"); c.commit()
      assert d.execute("select count(*) from t").fetchone()[0] == 1
      out = subprocess.run(["sqlite3", "db", "insert into t values(2); select count(*) from t; pragma integrity_check"], capture_output=True, text=True)
      assert out.stdout.split() == ["2", "ok"], out; c.close(); d.close()
  @check
  def vim_saves():
      put("v", b"old\n")
      subprocess.run(["vim", "-u", "NONE", "-es", "-c", "set backup backupskip= backupdir=. backupcopy=auto swapfile", "-c", "%s/old/new/", "-c", "wq!", "v"], check=True, timeout=30, stdin=subprocess.DEVNULL)
      assert get("v") == b"new\n" and get("v~") == b"old\n" and not os.path.exists(".v.swp")
  @check
  def sed_in_place():
      put("v", b"old\n"); subprocess.run(["sed", "-i", "s/old/new/", "v"], check=True); assert get("v") == b"new\n"
  @check
  def atomic_replace():
      for i in range(20):
          with open("t.tmp", "wb") as f: f.write(b"%d" % i); f.flush(); os.fsync(f.fileno())
          os.replace("t.tmp", "t"); assert get("t") == b"%d" % i
  @check
  def git_inside():
      e = dict(os.environ, GIT_AUTHOR_NAME="n", GIT_AUTHOR_EMAIL="e", GIT_COMMITTER_NAME="n", GIT_COMMITTER_EMAIL="e", HOME=os.getcwd())
      run = lambda *a: subprocess.run(["git", *a], check=True, capture_output=True, env=e)
      run("init", "-q", "repo"); os.chdir("repo"); put("f", b"1"); run("add", "f"); run("commit", "-qm", "1")
      put("f", b"2"); run("commit", "-qam", "2"); run("gc", "-q"); run("fsck", "--strict"); run("checkout", "-q", "HEAD~1")
      assert get("f") == b"1"; os.chdir("..")
  @check
  def tar_round_trip():
      os.makedirs("s/t"); put("s/t/f", b"f" * 5000); os.symlink("t/f", "s/l"); os.link("s/t/f", "s/h"); os.mkdir("o")
      subprocess.run("tar -C s -cf - . | tar -C o -xpf -", shell=True, check=True)
      subprocess.run(["diff", "-r", "s", "o"], check=True); assert os.stat("o/h").st_nlink == 2
  @check
  def executes():
      put("x.sh", b"#!/bin/sh\necho ran\n"); fails(errno.EACCES, subprocess.run, ["./x.sh"]); os.chmod("x.sh", 0o755)
      assert subprocess.run(["./x.sh"], capture_output=True).stdout == b"ran\n"
  @check
  def o_tmpfile():
      fails(errno.EOPNOTSUPP, os.open, ".", os.O_TMPFILE | os.O_RDWR)
  @check
  def statfs():
      s = os.statvfs("."); assert s.f_namemax == 255 and s.f_bavail > 0 and s.f_blocks >= s.f_bavail and s.f_favail > 0
  @check
  def st_fields():
      put("a", b"x" * 5000); s = os.stat("a"); assert s.st_blksize == 4096 and 0 < s.st_blocks * 512 <= 8192
  @check
  def negative_then_created():
      assert not os.path.exists("later"); subprocess.run(["sh", "-c", "echo hi > later"], check=True); assert get("later") == b"hi\n"
  @check
  def removed_directory_in_use():
      os.mkdir("d"); fd = os.open("d", os.O_RDONLY); os.rmdir("d"); assert os.listdir(fd) == []
      fails(errno.ENOENT, os.open, "f", os.O_CREAT | os.O_RDWR, dir_fd=fd); os.close(fd)
  @check
  def concurrent_creates():
      os.mkdir("d")
      def work(i):
          for n in range(40): put(f"d/{i}-{n}", b"%d" % n); os.rename(f"d/{i}-{n}", f"d/{i}+{n}")
      ts = [threading.Thread(target=work, args=(i,)) for i in range(4)]
      [t.start() for t in ts]; [t.join() for t in ts]; assert len(os.listdir("d")) == 160

  failed = 0
  root = os.getcwd()
  for f in checks:
      os.mkdir(f.__name__); os.chdir(f.__name__)
      try: f(); print("ok", f.__name__)
      except BaseException as e:
          failed += 1; tb = e.__traceback__
          while tb.tb_next and tb.tb_next.tb_frame.f_code.co_filename == tb.tb_frame.f_code.co_filename: tb = tb.tb_next
          print("FAIL", f.__name__, "line", tb.tb_lineno, type(e).__name__, str(e)[:200])
      os.chdir(root); shutil.rmtree(f.__name__, ignore_errors=True)
      if os.path.exists(f.__name__): failed += 1; print("FAIL", f.__name__, "left behind")
  print(f"{len(checks)} checks, {failed} failed")
  sys.exit(1 if failed else 0)
  """#
