// The smallest file system that libfuse can serve: one file, /file, of 100 bytes. Its times are the least that any file system over
// libfuse can take.
//
// Usage: empty MOUNTPOINT; goes to the background when mounted.

#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_INODE = 2, FILE_SIZE = 100 };

static const double forever = 86400;
static const char contents[FILE_SIZE] = {[0 ... FILE_SIZE - 1] = 'x'};

static struct stat attributes(fuse_ino_t inode) {
  if (inode == FUSE_ROOT_ID) return (struct stat){.st_ino = inode, .st_mode = S_IFDIR | 0755, .st_nlink = 2};
  return (struct stat){.st_ino = inode, .st_mode = S_IFREG | 0644, .st_nlink = 1, .st_size = FILE_SIZE};
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  if (parent != FUSE_ROOT_ID || strcmp(name, "file") != 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  struct fuse_entry_param entry = {
      .ino = FILE_INODE, .attr = attributes(FILE_INODE), .attr_timeout = forever, .entry_timeout = forever};
  fuse_reply_entry(request, &entry);
}

static void on_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info) {
  (void)info;
  struct stat status = attributes(inode);
  fuse_reply_attr(request, &status, forever);
}

static void on_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info) {
  (void)inode;
  if ((info->flags & O_ACCMODE) != O_RDONLY) {
    fuse_reply_err(request, EROFS);
    return;
  }
  info->keep_cache = 1;
  info->noflush = 1;
  fuse_reply_open(request, info);
}

static void on_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info) {
  (void)inode;
  (void)info;
  size_t start = offset < FILE_SIZE ? (size_t)offset : FILE_SIZE;
  size_t count = size < FILE_SIZE - start ? size : FILE_SIZE - start;
  fuse_reply_buf(request, contents + start, count);
}

static void on_release(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info) {
  (void)inode;
  (void)info;
  fuse_reply_err(request, 0);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = on_lookup, .getattr = on_getattr, .open = on_open, .read = on_read, .release = on_release};

int main(int count, char **words) {
  if (count != 2) return 2;
  char *options[] = {words[0], "-odefault_permissions,fsname=empty,subtype=bench-empty", NULL};
  struct fuse_args arguments = FUSE_ARGS_INIT(2, options);
  struct fuse_session *session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
  if (session == NULL) return 1;
  int status = 1;
  if (fuse_set_signal_handlers(session) == 0 && fuse_session_mount(session, words[1]) == 0) {
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (config != NULL && fuse_daemonize(0) == 0) status = fuse_session_loop_mt(session, config) != 0;
    if (config != NULL) fuse_loop_cfg_destroy(config);
    fuse_session_unmount(session);
  }
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  fuse_opt_free_args(&arguments);
  return status;
}
