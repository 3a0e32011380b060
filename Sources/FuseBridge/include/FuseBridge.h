// libfuse's low-level session, without its types: requests arrive through fb_on_*, which Swift implements, and are
// answered with fb_reply_*, exactly once each and from any thread. No policy lives here.
#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// One request of the kernel; dead once it is answered.
typedef struct fuse_req fb_request;
// A connection to the kernel and the threads that serve it.
typedef struct fb_session fb_session;

// stat(2) of an inode. `mode` has the file type's bits. `inode` is how requests name it, `number` what programs are shown.
typedef struct fb_attributes {
  uint64_t inode;
  uint32_t number;
  uint32_t mode, links, owner, group, device_major, device_minor;
  int64_t size, allocated;
  int64_t accessed, modified, changed;
  uint32_t accessed_ns, modified_ns, changed_ns;
} fb_attributes;

// What SETATTR asks for; `set` tells which fields count.
typedef struct fb_attribute_change {
  uint32_t set;
  uint32_t mode, owner, group;
  int64_t size;
  int64_t accessed, modified;
  uint32_t accessed_ns, modified_ns;
} fb_attribute_change;

enum {
  FB_SET_MODE = 1,
  FB_SET_OWNER = 2,
  FB_SET_GROUP = 4,
  FB_SET_SIZE = 8,
  FB_SET_ACCESSED = 16,
  FB_SET_MODIFIED = 32,
  FB_SET_ACCESSED_NOW = 64,
  FB_SET_MODIFIED_NOW = 128,
};

// Who asks; `thread` as gettid(2) tells it, 0 if the kernel does not know.
typedef struct fb_caller {
  uint32_t user, group, umask, thread;
} fb_caller;

// One element of FORGET and BATCH_FORGET: the kernel's layout.
typedef struct fb_forgotten {
  uint64_t inode, lookups;
} fb_forgotten;

// statvfs(3), in blocks of `block_size` bytes.
typedef struct fb_statistics {
  uint32_t block_size, name_limit;
  uint64_t blocks, free_blocks, inodes, free_inodes;
} fb_statistics;

// How the kernel may treat an opened file.
enum {
  FB_OPEN_KEEP_CACHE = 1,  // cached pages survive this open
  FB_OPEN_NO_FLUSH = 2,    // close(2) needs no FLUSH
};

// Session flags.
enum {
  FB_SESSION_CACHE = 1,  // the kernel may cache directory listings and symbolic links
};

// ---- The session. Functions that can fail return 0, or -1 with errno.

// A session with mount options `options` (comma-separated; NULL on failure). `context` is passed to each fb_on_*.
fb_session *_Nullable fb_session_create(const char *options, void *context, uint32_t flags);
int fb_session_mount(fb_session *session, const char *directory);
// Starts `threads` threads that serve requests, with all signals blocked but SIGRTMIN + 7, which gets an empty handler.
int fb_session_start(fb_session *session, uint32_t threads);
// Blocks until fb_session_wake or until the kernel has ended the connection (unmounted); returns 1 for the latter.
int fb_session_wait(fb_session *session);
// Lets fb_session_wait return; async-signal-safe.
void fb_session_wake(fb_session *session);
// Ends and joins the threads; a request that one of them is handling is finished first. Wipes their buffers.
void fb_session_stop(fb_session *session);
// After fb_session_stop: handles on this thread what the kernel has queued, at most `limit` requests; returns their number.
uint32_t fb_session_drain(fb_session *session, uint32_t limit);
// Detaches the mount, if it is still there, and closes the connection; not while fb_session_start's threads run.
void fb_session_unmount(fb_session *session);
// Closes the connection alone, for a mount that is not at its directory any more: another one's may be there.
void fb_session_abandon(fb_session *session);
void fb_session_destroy(fb_session *session);

// Moves what libfuse has logged since the last call to `text`, as a C string of at most `size` bytes with its NUL.
void fb_take_log(char *text, size_t size);
// fd 2 of this process goes to a memory file until fb_stderr_restore; returns the token for it, or -1.
int fb_stderr_capture(void);
void fb_stderr_restore(int token, char *text, size_t size);

// Whether the mount at `path` has lost its process: statfs(2) fails with ENOTCONN, or ECONNABORTED if that happens meanwhile. Blocks while the process is busy.
int fb_is_disconnected(const char *path);
// The file system's number of what `path` leads to, as last known to the kernel: it asks nobody, and never blocks.
int fb_device(const char *path, uint32_t *major, uint32_t *minor);
// pipe2(2) with O_CLOEXEC; ends[0] is for reading.
int fb_pipe(int *ends);
// umount2(2) with MNT_DETACH if `lazy`, never following a symbolic link.
int fb_umount(const char *directory, int lazy);
// Has an extended attribute read whose value does not matter; 0, or -1 with errno.
int fb_read_attribute(const char *path, const char *name);
// syncfs(2) of the file system at `directory`.
int fb_syncfs(const char *directory);

// ---- Replies

fb_caller fb_request_caller(fb_request *request);
void fb_reply_error(fb_request *request, int error);  // 0: success without data
void fb_reply_none(fb_request *request);              // only for FORGET
// Return 0, or a negative errno if the kernel did not take the entry, which then counts no lookup. `timeout` is the
// attributes' and, but in fb_reply_entry, the name's.
int fb_reply_entry(fb_request *request, const fb_attributes *attributes, double timeout, double name_timeout);
int fb_reply_create(
    fb_request *request, const fb_attributes *attributes, double timeout, uint64_t handle, uint32_t open_flags);
int fb_reply_open(fb_request *request, uint64_t handle, uint32_t open_flags);
void fb_reply_negative_entry(fb_request *request, double timeout);
void fb_reply_attributes(fb_request *request, const fb_attributes *attributes, double timeout);
void fb_reply_bytes(fb_request *request, const void *_Nullable bytes, size_t count);
void fb_reply_target(fb_request *request, const char *target);
void fb_reply_written(fb_request *request, size_t count);
void fb_reply_attribute_size(fb_request *request, size_t count);
void fb_reply_offset(fb_request *request, int64_t offset);
void fb_reply_statistics(fb_request *request, const fb_statistics *statistics);

// Appends an entry to a READDIR answer and returns its bytes, or 0 if `room` is too small.
// Only the type in `attributes->mode` and its number count.
size_t fb_add_entry(
    fb_request *request, void *buffer, size_t room, const void *name, size_t name_length,
    const fb_attributes *attributes, uint64_t next_offset);
// The same for READDIRPLUS; with `counts` the kernel counts a lookup and keeps all of `attributes`.
size_t fb_add_entry_plus(
    fb_request *request, void *buffer, size_t room, const void *name, size_t name_length,
    const fb_attributes *attributes, int counts, double timeout, uint64_t next_offset);

// ---- Notifications: never from inside a request's handler. Return 0 or a negative errno.

int fb_notify_inode(fb_session *session, uint64_t inode, int64_t offset, int64_t length);
int fb_notify_entry(fb_session *session, uint64_t parent, const void *name, size_t length);
int fb_notify_deleted(fb_session *session, uint64_t parent, uint64_t child, const void *name, size_t length);

// ---- The mount as a program sees it, for the thread that repeats changes from outside; never from inside a request's
// handler. Return 0 or a descriptor, or a negative errno. `at` is a directory's descriptor; `name` has no "/".

// gettid(2).
uint32_t fb_thread(void);
// A descriptor of a directory that can only be passed as `at`; no symbolic link is followed but in a path's parents.
int fb_open_directory(int at, const char *name);
// The same for an absolute path.
int fb_open_root(const char *path);
// The inode's and the device's number, as programs are shown them.
int fb_identify(int descriptor, uint64_t *number, uint64_t *device);
// Makes a regular file, or with `writes` also opens it and sets its mtime, to be answered as if nothing had happened.
int fb_repeat_create(int at, const char *name, int writes);
// Opens the file for writing, sets its mtime (which inotify takes for a change of content), and closes it.
int fb_repeat_write(int at, const char *name);
// Sets the mtime alone (a change of content), or with `attributes` atime and mtime (a change of attributes).
int fb_repeat_times(int at, const char *name, int attributes);
// mkdirat(2), symlinkat(2), or mknodat(2) of the type in `mode`.
int fb_repeat_make(int at, const char *name, uint32_t mode);
int fb_repeat_remove(int at, const char *name, int is_directory);
int fb_repeat_rename(int at, const char *name, int new_at, const char *new_name);

// ---- Requests, implemented in Swift

#define FB_SWIFT(name) __attribute__((swift_name(name)))

void fb_on_lookup(void *context, fb_request *request, uint64_t parent, const char *name)
    FB_SWIFT("fuseLookup(_:_:_:_:)");
void fb_on_forget(void *context, const fb_forgotten *forgotten, size_t count) FB_SWIFT("fuseForget(_:_:_:)");
void fb_on_get_attributes(void *context, fb_request *request, uint64_t inode) FB_SWIFT("fuseGetAttributes(_:_:_:)");
// `handle` is NULL without an open file.
void fb_on_set_attributes(
    void *context, fb_request *request, uint64_t inode, const fb_attribute_change *change,
    const uint64_t *_Nullable handle)
    FB_SWIFT("fuseSetAttributes(_:_:_:_:_:)");
void fb_on_read_link(void *context, fb_request *request, uint64_t inode) FB_SWIFT("fuseReadLink(_:_:_:)");
void fb_on_make_node(
    void *context, fb_request *request, uint64_t parent, const char *name, uint32_t mode, uint32_t device_major,
    uint32_t device_minor) FB_SWIFT("fuseMakeNode(_:_:_:_:_:_:_:)");
void fb_on_make_directory(void *context, fb_request *request, uint64_t parent, const char *name, uint32_t mode)
    FB_SWIFT("fuseMakeDirectory(_:_:_:_:_:)");
void fb_on_unlink(void *context, fb_request *request, uint64_t parent, const char *name)
    FB_SWIFT("fuseUnlink(_:_:_:_:)");
void fb_on_remove_directory(void *context, fb_request *request, uint64_t parent, const char *name)
    FB_SWIFT("fuseRemoveDirectory(_:_:_:_:)");
void fb_on_symbolic_link(
    void *context, fb_request *request, const char *target, uint64_t parent, const char *name)
    FB_SWIFT("fuseSymbolicLink(_:_:_:_:_:)");
void fb_on_rename(
    void *context, fb_request *request, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
    uint32_t flags) FB_SWIFT("fuseRename(_:_:_:_:_:_:_:)");
void fb_on_link(void *context, fb_request *request, uint64_t inode, uint64_t parent, const char *name)
    FB_SWIFT("fuseLink(_:_:_:_:_:)");
// `flags` are those of open(2).
void fb_on_create(
    void *context, fb_request *request, uint64_t parent, const char *name, uint32_t mode, int32_t flags)
    FB_SWIFT("fuseCreate(_:_:_:_:_:_:)");
void fb_on_open(void *context, fb_request *request, uint64_t inode, int32_t flags) FB_SWIFT("fuseOpen(_:_:_:_:)");
void fb_on_read(
    void *context, fb_request *request, uint64_t inode, uint64_t handle, int64_t offset, size_t count)
    FB_SWIFT("fuseRead(_:_:_:_:_:_:)");
// `write_back`: dirty pages of a mapping, written through any handle that the kernel found.
void fb_on_write(
    void *context, fb_request *request, uint64_t inode, uint64_t handle, int64_t offset, const void *bytes,
    size_t count, int write_back) FB_SWIFT("fuseWrite(_:_:_:_:_:_:_:_:)");
void fb_on_flush(void *context, fb_request *request, uint64_t inode, uint64_t handle) FB_SWIFT("fuseFlush(_:_:_:_:)");
void fb_on_release(void *context, fb_request *request, uint64_t inode, uint64_t handle)
    FB_SWIFT("fuseRelease(_:_:_:_:)");
void fb_on_synchronize(void *context, fb_request *request, uint64_t inode, uint64_t handle)
    FB_SWIFT("fuseSynchronize(_:_:_:_:)");
void fb_on_allocate(
    void *context, fb_request *request, uint64_t inode, uint64_t handle, int32_t mode, int64_t offset, int64_t length)
    FB_SWIFT("fuseAllocate(_:_:_:_:_:_:_:)");
void fb_on_seek(
    void *context, fb_request *request, uint64_t inode, uint64_t handle, int64_t offset, int32_t whence)
    FB_SWIFT("fuseSeek(_:_:_:_:_:_:)");
void fb_on_copy_range(
    void *context, fb_request *request, uint64_t inode, uint64_t handle, int64_t offset, uint64_t target,
    uint64_t target_handle, int64_t target_offset, size_t count) FB_SWIFT("fuseCopyRange(_:_:_:_:_:_:_:_:_:)");
void fb_on_open_directory(void *context, fb_request *request, uint64_t inode) FB_SWIFT("fuseOpenDirectory(_:_:_:)");
void fb_on_read_directory(
    void *context, fb_request *request, uint64_t inode, uint64_t offset, size_t size, int plus)
    FB_SWIFT("fuseReadDirectory(_:_:_:_:_:_:)");
void fb_on_synchronize_directory(void *context, fb_request *request, uint64_t inode)
    FB_SWIFT("fuseSynchronizeDirectory(_:_:_:)");
void fb_on_statistics(void *context, fb_request *request, uint64_t inode) FB_SWIFT("fuseStatistics(_:_:_:)");
void fb_on_set_attribute(
    void *context, fb_request *request, uint64_t inode, const char *name, const void *value, size_t size,
    int32_t flags) FB_SWIFT("fuseSetAttribute(_:_:_:_:_:_:_:)");
void fb_on_get_attribute(void *context, fb_request *request, uint64_t inode, const char *name, size_t size)
    FB_SWIFT("fuseGetAttribute(_:_:_:_:_:)");
void fb_on_list_attributes(void *context, fb_request *request, uint64_t inode, size_t size)
    FB_SWIFT("fuseListAttributes(_:_:_:_:)");
void fb_on_remove_attribute(void *context, fb_request *request, uint64_t inode, const char *name)
    FB_SWIFT("fuseRemoveAttribute(_:_:_:_:)");

#pragma clang assume_nonnull end
