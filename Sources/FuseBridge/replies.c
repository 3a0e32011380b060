#include "session.h"

#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static struct stat to_stat(const fb_attributes *a) {
  return (struct stat){
      .st_ino = a->number,
      .st_mode = a->mode,
      .st_nlink = a->links,
      .st_uid = a->owner,
      .st_gid = a->group,
      .st_rdev = makedev(a->device_major, a->device_minor),
      .st_size = a->size,
      .st_blksize = 4096,
      .st_blocks = a->allocated / 512,
      .st_atim = {a->accessed, a->accessed_ns},
      .st_mtim = {a->modified, a->modified_ns},
      .st_ctim = {a->changed, a->changed_ns},
  };
}

static struct fuse_entry_param to_entry(const fb_attributes *attributes, double timeout, double name_timeout) {
  return (struct fuse_entry_param){
      .ino = attributes->inode, .attr = to_stat(attributes), .attr_timeout = timeout, .entry_timeout = name_timeout};
}

static struct fuse_file_info to_file_info(uint64_t handle, uint32_t flags) {
  return (struct fuse_file_info){
      .fh = handle, .keep_cache = (flags & FB_OPEN_KEEP_CACHE) != 0, .noflush = (flags & FB_OPEN_NO_FLUSH) != 0};
}

fb_caller fb_request_caller(fb_request *request) {
  const struct fuse_ctx *context = fuse_req_ctx(request);
  return (fb_caller){context->uid, context->gid, context->umask, (uint32_t)context->pid};
}

void fb_reply_error(fb_request *request, int error) { fuse_reply_err(request, error); }

void fb_reply_none(fb_request *request) { fuse_reply_none(request); }

int fb_reply_entry(fb_request *request, const fb_attributes *attributes, double timeout, double name_timeout) {
  struct fuse_entry_param entry = to_entry(attributes, timeout, name_timeout);
  return fuse_reply_entry(request, &entry);
}

int fb_reply_create(
    fb_request *request, const fb_attributes *attributes, double timeout, uint64_t handle, uint32_t open_flags) {
  struct fuse_entry_param entry = to_entry(attributes, timeout, timeout);
  struct fuse_file_info file = to_file_info(handle, open_flags);
  return fuse_reply_create(request, &entry, &file);
}

int fb_reply_open(fb_request *request, uint64_t handle, uint32_t open_flags) {
  struct fuse_file_info file = to_file_info(handle, open_flags);
  return fuse_reply_open(request, &file);
}

void fb_reply_negative_entry(fb_request *request, double timeout) {
  struct fuse_entry_param entry = {.ino = 0, .entry_timeout = timeout};
  fuse_reply_entry(request, &entry);
}

void fb_reply_attributes(fb_request *request, const fb_attributes *attributes, double timeout) {
  struct stat status = to_stat(attributes);
  fuse_reply_attr(request, &status, timeout);
}

void fb_reply_bytes(fb_request *request, const void *bytes, size_t count) { fuse_reply_buf(request, bytes, count); }

void fb_reply_target(fb_request *request, const char *target) { fuse_reply_readlink(request, target); }

void fb_reply_written(fb_request *request, size_t count) { fuse_reply_write(request, count); }

void fb_reply_attribute_size(fb_request *request, size_t count) { fuse_reply_xattr(request, count); }

void fb_reply_offset(fb_request *request, int64_t offset) { fuse_reply_lseek(request, offset); }

void fb_reply_statistics(fb_request *request, const fb_statistics *statistics) {
  struct statvfs status = {
      .f_bsize = statistics->block_size,
      .f_frsize = statistics->block_size,
      .f_namemax = statistics->name_limit,
      .f_blocks = statistics->blocks,
      .f_bfree = statistics->free_blocks,
      .f_bavail = statistics->free_blocks,
      .f_files = statistics->inodes,
      .f_ffree = statistics->free_inodes,
      .f_favail = statistics->free_inodes,
  };
  fuse_reply_statfs(request, &status);
}

// libfuse wants C strings; names of directory entries are at most NAME_MAX bytes.
struct name {
  char text[256];
};

static struct name to_name(const void *bytes, size_t length) {
  struct name name = {{0}};
  memcpy(name.text, bytes, length < sizeof name.text ? length : sizeof name.text - 1);
  return name;
}

size_t fb_add_entry(
    fb_request *request, void *buffer, size_t room, const void *name, size_t name_length,
    const fb_attributes *attributes, uint64_t next_offset) {
  struct name text = to_name(name, name_length);
  struct stat status = {.st_ino = attributes->number, .st_mode = attributes->mode};
  size_t size = fuse_add_direntry(request, buffer, room, text.text, &status, (off_t)next_offset);
  return size <= room ? size : 0;
}

size_t fb_add_entry_plus(
    fb_request *request, void *buffer, size_t room, const void *name, size_t name_length,
    const fb_attributes *attributes, int counts, double timeout, uint64_t next_offset) {
  struct name text = to_name(name, name_length);
  struct fuse_entry_param entry = to_entry(attributes, timeout, timeout);
  if (!counts) entry.ino = 0;
  size_t size = fuse_add_direntry_plus(request, buffer, room, text.text, &entry, (off_t)next_offset);
  return size <= room ? size : 0;
}
