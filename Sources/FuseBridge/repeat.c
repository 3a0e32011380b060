// System calls by which a change from outside is repeated below the mount, so that inotify tells of it. Their arguments but
// the names mean nothing: the handlers know who asks.
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// Each value is answered with the time that the file has.
static const struct timespec modified[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
static const struct timespec both[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

static int result(int code) { return code < 0 ? -errno : code; }

uint32_t fb_thread(void) { return (uint32_t)gettid(); }

int fb_open_directory(int at, const char *name) {
  return result(openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

int fb_open_root(const char *path) { return fb_open_directory(AT_FDCWD, path); }

int fb_identify(int descriptor, uint64_t *number, uint64_t *device) {
  struct statx status;
  if (statx(descriptor, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &status) != 0) return -errno;
  *number = status.stx_ino;
  *device = (uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor;
  return 0;
}

// Nobody can make it wait: neither a lease, nor a pipe that took the file's name.
static int write_nothing(int at, const char *name, int flags, int writes) {
  int descriptor = openat(at, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags, 0600);
  if (descriptor < 0) return -errno;
  int code = writes ? result(futimens(descriptor, modified)) : 0;
  close(descriptor);
  return code;
}

int fb_repeat_create(int at, const char *name, int writes) { return write_nothing(at, name, O_CREAT | O_EXCL, writes); }

int fb_repeat_write(int at, const char *name) { return write_nothing(at, name, 0, 1); }

int fb_repeat_times(int at, const char *name, int attributes) {
  return result(utimensat(at, name, attributes ? both : modified, AT_SYMLINK_NOFOLLOW));
}

int fb_repeat_make(int at, const char *name, uint32_t mode) {
  if (S_ISDIR(mode)) return result(mkdirat(at, name, 0700));
  if (S_ISLNK(mode)) return result(symlinkat(".", at, name));
  return result(mknodat(at, name, (mode & S_IFMT) | 0600, 0));
}

int fb_repeat_remove(int at, const char *name, int is_directory) {
  return result(unlinkat(at, name, is_directory ? AT_REMOVEDIR : 0));
}

int fb_repeat_rename(int at, const char *name, int new_at, const char *new_name) {
  return result(renameat(at, name, new_at, new_name));
}
