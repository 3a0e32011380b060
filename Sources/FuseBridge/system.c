// Around the session: libfuse's log, this process's stderr, unmounting and flushing.
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[512];  // guarded by log_lock; the first messages, as the first tells the cause

void fb_log(enum fuse_log_level level, const char *format, va_list arguments) {
  if (level > FUSE_LOG_WARNING) return;
  pthread_mutex_lock(&log_lock);
  size_t used = strlen(log_text);
  vsnprintf(log_text + used, sizeof log_text - used, format, arguments);
  pthread_mutex_unlock(&log_lock);
}

void fb_take_log(char *text, size_t size) {
  pthread_mutex_lock(&log_lock);
  snprintf(text, size, "%s", log_text);
  log_text[0] = 0;
  pthread_mutex_unlock(&log_lock);
}

static int captured = -1;  // the memory file; one capture at a time, by the caller's duty

int fb_stderr_capture(void) {
  captured = memfd_create("stderr", MFD_CLOEXEC);
  if (captured < 0) return -1;
  int before = fcntl(2, F_DUPFD_CLOEXEC, 3);
  if (before >= 0 && dup2(captured, 2) == 2) return before;
  if (before >= 0) close(before);
  close(captured);
  return -1;
}

void fb_stderr_restore(int token, char *text, size_t size) {
  dup2(token, 2);
  close(token);
  ssize_t count = pread(captured, text, size - 1, 0);
  text[count > 0 ? count : 0] = 0;
  close(captured);
}

int fb_is_disconnected(const char *path) {
  // Attributes are cached even when the process is gone, but this always asks it.
  struct statfs status;
  return statfs(path, &status) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

int fb_device(const char *path, uint32_t *major, uint32_t *minor) {
  struct statx status;
  if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &status) != 0) return -1;
  *major = status.stx_dev_major;
  *minor = status.stx_dev_minor;
  return 0;
}

int fb_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

int fb_umount(const char *directory, int lazy) {
  return umount2(directory, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
}

int fb_read_attribute(const char *path, const char *name) {
  char value[256];
  return lgetxattr(path, name, value, sizeof value) < 0 ? -1 : 0;
}

int fb_syncfs(const char *directory) {
  int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  int result = syncfs(descriptor);
  int error = errno;
  close(descriptor);
  errno = error;
  return result;
}
