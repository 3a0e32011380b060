#pragma once
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <git2.h>
#include <git2/sys/commit.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <git2/sys/mempack.h>

// `git_libgit2_opts` is variadic, which Swift cannot call.
static inline int clibgit2_enable_fsync_gitdir(int enabled) {
  return git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, enabled);
}
static inline int clibgit2_enable_strict_hash_verification(int enabled) {
  return git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, enabled);
}
static inline int clibgit2_set_owner_validation(int enabled) {
  return git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, enabled);
}
static inline int clibgit2_set_authorities(const char *file, const char *directory) {
  return git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, file, directory);
}

#include <stddef.h>
#include <stdint.h>

// libgit2's own zlib. Its reader of loose objects never returns on some truncated files, so these are inflated here.
#include <zlib.h>
static inline uint32_t clibgit2_adler32(uint32_t adler, const uint8_t *bytes, size_t count) {
  return (uint32_t)adler32_z(adler, bytes, count);
}
static inline uint32_t clibgit2_crc32(const uint8_t *bytes, size_t count) { return (uint32_t)crc32_z(0, bytes, count); }
// Inflates at most `capacity` bytes of a zlib stream; 1 if that was all of it and nothing follows it, 0 if not, -1 if it is damaged.
static inline int clibgit2_inflate(const uint8_t *stream, size_t count, uint8_t *output, size_t capacity, size_t *produced) {
  z_stream z = {0};
  if (count > UINT32_MAX || capacity > UINT32_MAX || inflateInit(&z) != Z_OK) return -1;
  z.next_in = (Bytef *)stream;
  z.avail_in = (uInt)count;
  z.next_out = output;
  z.avail_out = (uInt)capacity;
  int status = inflate(&z, Z_FINISH);
  int isWhole = status == Z_STREAM_END && z.avail_in == 0;
  *produced = z.total_out;
  inflateEnd(&z);
  return isWhole ? 1 : status == Z_OK || status == Z_BUF_ERROR ? 0 : -1;
}

// Linux calls that glibc declares only with _GNU_SOURCE, which is not set where Swift imports this header.
static inline int clibgit2_exchange(int from, const char *one, int to, const char *other) {
  return (int)syscall(SYS_renameat2, from, one, to, other, 2 /* RENAME_EXCHANGE */);
}
static inline int clibgit2_rename_if_free(int from, const char *source, int to, const char *target) {
  return (int)syscall(SYS_renameat2, from, source, to, target, 1 /* RENAME_NOREPLACE */);
}
// openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS: a directory to look up names in. No symbolic link leads to it.
static inline int clibgit2_open_directory_beneath(int directory, const char *path) {
  struct { uint64_t flags, mode, resolve; } how = {010000000 /* O_PATH */ | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, 0x08 | 0x04};
  return (int)syscall(437 /* SYS_openat2 */, directory, path, &how, sizeof how);
}
// The same of one name only, for kernels before 5.6.
static inline int clibgit2_open_subdirectory(int directory, const char *name) {
  return openat(directory, name, 010000000 /* O_PATH */ | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}
// sync_file_range(2) of the whole file with SYNC_FILE_RANGE_WRITE: allocates its blocks and starts writing, without waiting.
static inline int clibgit2_start_writeback(int file) {
  return (int)syscall(SYS_sync_file_range, file, (int64_t)0, (int64_t)0, 2u);
}
static inline int clibgit2_sync_file_system(int file) { return (int)syscall(SYS_syncfs, file); }
// The type of the file system that a file is on, as statfs(2) tells; 0 if that cannot be told.
static inline uint64_t clibgit2_file_system_type(int file) {
  struct statfs status;
  return fstatfs(file, &status) == 0 ? (uint64_t)(uint32_t)status.f_type : 0;
}
