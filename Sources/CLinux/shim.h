// System calls that glibc offers as variadic functions or not at all, which Swift cannot call.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/keyctl.h>

long syscall(long number, ...);

// prctl(2), PR_SET_DUMPABLE: no core dump, and no ptrace by other processes of this user.
static inline int clinux_forbid_dumps(void) {
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

// prctl(2), PR_SET_NAME: what ps(1) calls this thread, and with it the process if it is the first; at most 15 bytes.
static inline int clinux_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

// memfd_create(2), closed on exec: a file that is only in memory.
static inline int clinux_memory_file(void) { return (int)syscall(SYS_memfd_create, "polykey", 1u); }

// pipe2(2) and eventfd(2), closed on exec.
static inline int clinux_pipe(int ends[2]) { return (int)syscall(SYS_pipe2, ends, 02000000); }
static inline int clinux_event(void) { return (int)syscall(SYS_eventfd2, 0u, 02000000); }

// openat2(2): opens what is at or below `directory`, through no symbolic link and no "..", closed on exec; -1 with errno.
static inline int clinux_open_beneath(int directory, const char *path, uint64_t flags, uint64_t mode) {
  // struct open_how; RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS.
  struct { uint64_t flags, mode, resolve; } how = { flags | 02000000, mode, 0x08 | 0x04 | 0x02 };
  return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

// fsetxattr(2); its header brings in types that glibc's own module has, too.
int clinux_set_attribute(int file, const char *name, const void *value, size_t size, int flags) __asm__("fsetxattr");

// posix_spawn_file_actions_addclosefrom_np(3), of glibc 2.34; takes a posix_spawn_file_actions_t.
int clinux_spawn_close_from(void *actions, int lowest) __asm__("posix_spawn_file_actions_addclosefrom_np");

// add_key(2): returns the key's serial, or -1 with errno.
static inline int32_t clinux_add_user_key(const char *description, const void *payload, size_t length, int32_t keyring) {
  return (int32_t)syscall(SYS_add_key, "user", description, payload, length, keyring);
}
// keyctl_search(3).
static inline int32_t clinux_search_user_key(int32_t keyring, const char *description) {
  return (int32_t)syscall(SYS_keyctl, KEYCTL_SEARCH, keyring, "user", description, 0);
}
// keyctl_read(3): returns the payload's length, which may exceed `length`.
static inline long clinux_read_key(int32_t key, void *payload, size_t length) {
  return syscall(SYS_keyctl, KEYCTL_READ, key, payload, length);
}
static inline long clinux_set_key_timeout(int32_t key, unsigned seconds) {
  return syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, key, seconds);
}
static inline long clinux_set_key_permissions(int32_t key, uint32_t permissions) {
  return syscall(SYS_keyctl, KEYCTL_SETPERM, key, permissions);
}
static inline long clinux_invalidate_key(int32_t key) {
  return syscall(SYS_keyctl, KEYCTL_INVALIDATE, key);
}
