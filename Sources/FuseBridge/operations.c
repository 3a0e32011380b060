// libfuse's table of operations: each passes its request on to Swift.
#include "session.h"

#include <errno.h>
#include <sys/sysmacros.h>

_Static_assert(sizeof(fb_forgotten) == sizeof(struct fuse_forget_data), "the kernel's layout");

static void *context_of(fuse_req_t request) { return ((fb_session *)fuse_req_userdata(request))->context; }

static void on_init(void *userdata, struct fuse_conn_info *connection) {
  const fb_session *session = userdata;
  uint32_t on = FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS |
                FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_ASYNC_READ |
                // Lists are obeyed by the kernel; the umask is ours to apply, as it does not count where a list is inherited.
                FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK;
  if (session->flags & FB_SESSION_CACHE) on |= FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_NO_OPENDIR_SUPPORT;
  // ASYNC_DIO: the kernel does not drop cached pages when an asynchronous direct write has ended.
  uint32_t off = FUSE_CAP_ASYNC_DIO | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                 FUSE_CAP_SPLICE_MOVE | FUSE_CAP_EXPORT_SUPPORT |
                 FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_IOCTL_DIR;
  connection->want |= on & connection->capable;
  connection->want &= ~off;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  fb_on_lookup(context_of(request), request, parent, name);
}

static void on_forget(fuse_req_t request, fuse_ino_t inode, uint64_t lookups) {
  fb_forgotten forgotten = {inode, lookups};
  fb_on_forget(context_of(request), &forgotten, 1);
  fuse_reply_none(request);
}

static void on_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets) {
  fb_on_forget(context_of(request), (const fb_forgotten *)forgets, count);
  fuse_reply_none(request);
}

static void on_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  (void)file;
  fb_on_get_attributes(context_of(request), request, inode);
}

static void on_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *attr, int set, struct fuse_file_info *file) {
  fb_attribute_change change = {
      .mode = attr->st_mode & 07777,
      .owner = attr->st_uid,
      .group = attr->st_gid,
      .size = attr->st_size,
      .accessed = attr->st_atim.tv_sec,
      .accessed_ns = (uint32_t)attr->st_atim.tv_nsec,
      .modified = attr->st_mtim.tv_sec,
      .modified_ns = (uint32_t)attr->st_mtim.tv_nsec,
  };
  if (set & FUSE_SET_ATTR_MODE) change.set |= FB_SET_MODE;
  if (set & FUSE_SET_ATTR_UID) change.set |= FB_SET_OWNER;
  if (set & FUSE_SET_ATTR_GID) change.set |= FB_SET_GROUP;
  if (set & FUSE_SET_ATTR_SIZE) change.set |= FB_SET_SIZE;
  if (set & FUSE_SET_ATTR_ATIME) change.set |= FB_SET_ACCESSED;
  if (set & FUSE_SET_ATTR_MTIME) change.set |= FB_SET_MODIFIED;
  if (set & FUSE_SET_ATTR_ATIME_NOW) change.set |= FB_SET_ACCESSED_NOW;
  if (set & FUSE_SET_ATTR_MTIME_NOW) change.set |= FB_SET_MODIFIED_NOW;
  fb_on_set_attributes(context_of(request), request, inode, &change, file ? &file->fh : NULL);
}

static void on_readlink(fuse_req_t request, fuse_ino_t inode) {
  fb_on_read_link(context_of(request), request, inode);
}

static void on_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device) {
  fb_on_make_node(context_of(request), request, parent, name, mode, major(device), minor(device));
}

static void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
  fb_on_make_directory(context_of(request), request, parent, name, mode);
}

static void on_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
  fb_on_unlink(context_of(request), request, parent, name);
}

static void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
  fb_on_remove_directory(context_of(request), request, parent, name);
}

static void on_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name) {
  fb_on_symbolic_link(context_of(request), request, target, parent, name);
}

static void on_rename(
    fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
    unsigned flags) {
  fb_on_rename(context_of(request), request, parent, name, new_parent, new_name, flags);
}

static void on_link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t parent, const char *name) {
  fb_on_link(context_of(request), request, inode, parent, name);
}

static void on_create(
    fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file) {
  fb_on_create(context_of(request), request, parent, name, mode, file->flags);
}

static void on_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  fb_on_open(context_of(request), request, inode, file->flags);
}

static void on_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *file) {
  fb_on_read(context_of(request), request, inode, file->fh, offset, size);
}

static void on_write(
    fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size, off_t offset, struct fuse_file_info *file) {
  fb_on_write(context_of(request), request, inode, file->fh, offset, bytes, size, file->writepage);
}

static void on_flush(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  fb_on_flush(context_of(request), request, inode, file->fh);
}

static void on_release(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  fb_on_release(context_of(request), request, inode, file->fh);
}

static void on_fsync(fuse_req_t request, fuse_ino_t inode, int data_only, struct fuse_file_info *file) {
  (void)data_only;
  fb_on_synchronize(context_of(request), request, inode, file->fh);
}

static void on_fallocate(
    fuse_req_t request, fuse_ino_t inode, int mode, off_t offset, off_t length, struct fuse_file_info *file) {
  fb_on_allocate(context_of(request), request, inode, file->fh, mode, offset, length);
}

static void on_lseek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence, struct fuse_file_info *file) {
  fb_on_seek(context_of(request), request, inode, file->fh, offset, whence);
}

static void on_copy_file_range(
    fuse_req_t request, fuse_ino_t inode, off_t offset, struct fuse_file_info *file, fuse_ino_t target,
    off_t target_offset, struct fuse_file_info *target_file, size_t length, int flags) {
  (void)flags;
  fb_on_copy_range(
      context_of(request), request, inode, file->fh, offset, target, target_file->fh, target_offset, length);
}

static void on_opendir(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  (void)file;
  fb_on_open_directory(context_of(request), request, inode);
}

static void on_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)file;
  fb_on_read_directory(context_of(request), request, inode, (uint64_t)offset, size, 0);
}

static void on_readdirplus(
    fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)file;
  fb_on_read_directory(context_of(request), request, inode, (uint64_t)offset, size, 1);
}

static void on_fsyncdir(fuse_req_t request, fuse_ino_t inode, int data_only, struct fuse_file_info *file) {
  (void)data_only;
  (void)file;
  fb_on_synchronize_directory(context_of(request), request, inode);
}

static void on_statfs(fuse_req_t request, fuse_ino_t inode) {
  fb_on_statistics(context_of(request), request, inode);
}

static void on_setxattr(
    fuse_req_t request, fuse_ino_t inode, const char *name, const char *value, size_t size, int flags) {
  fb_on_set_attribute(context_of(request), request, inode, name, value, size, flags);
}

static void on_getxattr(fuse_req_t request, fuse_ino_t inode, const char *name, size_t size) {
  fb_on_get_attribute(context_of(request), request, inode, name, size);
}

static void on_listxattr(fuse_req_t request, fuse_ino_t inode, size_t size) {
  fb_on_list_attributes(context_of(request), request, inode, size);
}

static void on_removexattr(fuse_req_t request, fuse_ino_t inode, const char *name) {
  fb_on_remove_attribute(context_of(request), request, inode, name);
}

// Locks are the kernel's own; access(2) is checked by it, as default_permissions is always on.
const struct fuse_lowlevel_ops fb_operations = {
    .init = on_init,
    .lookup = on_lookup,
    .forget = on_forget,
    .forget_multi = on_forget_multi,
    .getattr = on_getattr,
    .setattr = on_setattr,
    .readlink = on_readlink,
    .mknod = on_mknod,
    .mkdir = on_mkdir,
    .unlink = on_unlink,
    .rmdir = on_rmdir,
    .symlink = on_symlink,
    .rename = on_rename,
    .link = on_link,
    .create = on_create,
    .open = on_open,
    .read = on_read,
    .write = on_write,
    .flush = on_flush,
    .release = on_release,
    .fsync = on_fsync,
    .fallocate = on_fallocate,
    .lseek = on_lseek,
    .copy_file_range = on_copy_file_range,
    .opendir = on_opendir,
    .readdir = on_readdir,
    .readdirplus = on_readdirplus,
    .fsyncdir = on_fsyncdir,
    .statfs = on_statfs,
    .setxattr = on_setxattr,
    .getxattr = on_getxattr,
    .listxattr = on_listxattr,
    .removexattr = on_removexattr,
};
