#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void fb_log(enum fuse_log_level level, const char *format, va_list arguments);

fb_session *fb_session_create(const char *options, void *context, uint32_t flags) {
  fuse_set_log_func(fb_log);
  fb_session *session = calloc(1, sizeof *session);
  if (session == NULL) return NULL;
  session->context = context;
  session->flags = flags;
  struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
  if (fuse_opt_add_arg(&arguments, "polykey") == 0 && fuse_opt_add_arg(&arguments, "-o") == 0 &&
      fuse_opt_add_arg(&arguments, options) == 0) {
    session->fuse = fuse_session_new(&arguments, &fb_operations, sizeof fb_operations, session);
  }
  fuse_opt_free_args(&arguments);
  if (session->fuse == NULL) {
    free(session);
    errno = EINVAL;
    return NULL;
  }
  sem_init(&session->wake, 0, 0);
  return session;
}

int fb_session_mount(fb_session *session, const char *directory) {
  return fuse_session_mount(session->fuse, directory);
}

// Interrupts a worker's wait for a request. pthread_cancel could hit the moment in which a request has been read, and
// lose it; a signal cannot. Its handler stays for the life of the process, as other sessions may need it.
static int wake_signal(void) { return SIGRTMIN + 7; }

static void do_nothing(int number) { (void)number; }

static void install_handler(void) {
  struct sigaction action = {.sa_handler = do_nothing};
  sigaction(wake_signal(), &action, NULL);
}

static void *serve(void *argument) {
  struct fb_worker *worker = argument;
  struct fuse_session *fuse = worker->session->fuse;
  while (!atomic_load(&worker->session->stopping)) {
    int count = fuse_session_receive_buf(fuse, &worker->buffer);
    if (count == -EINTR || count == -EAGAIN) continue;
    if (count <= 0) {
      fuse_session_exit(fuse);
      atomic_store(&worker->session->ended, 1);
      sem_post(&worker->session->wake);
      break;
    }
    fuse_session_process_buf(fuse, &worker->buffer);
  }
  atomic_store(&worker->done, 1);
  return NULL;
}

int fb_session_start(fb_session *session, uint32_t threads) {
  session->workers = calloc(threads, sizeof *session->workers);
  if (session->workers == NULL) return -1;
  sigset_t all, before;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install_handler);
  sigfillset(&all);
  sigdelset(&all, wake_signal());
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  while (session->worker_count < threads) {
    struct fb_worker *worker = &session->workers[session->worker_count];
    worker->session = session;
    error = pthread_create(&worker->thread, NULL, serve, worker);
    if (error != 0) break;
    session->worker_count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (session->worker_count > 0) return 0;
  errno = error;
  return -1;
}

int fb_session_wait(fb_session *session) {
  while (sem_wait(&session->wake) != 0 && errno == EINTR) continue;
  return atomic_load(&session->ended);
}

void fb_session_wake(fb_session *session) {
  int saved = errno;
  sem_post(&session->wake);
  errno = saved;
}

// Contents that were written passed through here.
static void wipe(struct fuse_buf *buffer) {
  if (buffer->mem != NULL) explicit_bzero(buffer->mem, malloc_usable_size(buffer->mem));
  free(buffer->mem);
}

void fb_session_stop(fb_session *session) {
  atomic_store(&session->stopping, 1);
  for (uint32_t i = 0; i < session->worker_count; i++) {
    struct fb_worker *worker = &session->workers[i];
    // Again and again: the signal may come between the worker's look at `stopping` and its wait.
    while (!atomic_load(&worker->done)) {
      pthread_kill(worker->thread, wake_signal());
      nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    pthread_join(worker->thread, NULL);
    wipe(&worker->buffer);
  }
  free(session->workers);
  session->workers = NULL;
  session->worker_count = 0;
}

uint32_t fb_session_drain(fb_session *session, uint32_t limit) {
  int descriptor = fuse_session_fd(session->fuse);
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0) return 0;
  struct fuse_buf buffer = {.mem = NULL};
  uint32_t handled = 0;
  while (handled < limit && fuse_session_receive_buf(session->fuse, &buffer) > 0) {
    fuse_session_process_buf(session->fuse, &buffer);
    handled++;
  }
  wipe(&buffer);
  return handled;
}

void fb_session_unmount(fb_session *session) { fuse_session_unmount(session->fuse); }

void fb_session_abandon(fb_session *session) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  dup3(null, fuse_session_fd(session->fuse), O_CLOEXEC);
  close(null);
}

void fb_session_destroy(fb_session *session) {
  fuse_session_destroy(session->fuse);
  sem_destroy(&session->wake);
  free(session);
}

int fb_notify_inode(fb_session *session, uint64_t inode, int64_t offset, int64_t length) {
  return fuse_lowlevel_notify_inval_inode(session->fuse, inode, offset, length);
}

int fb_notify_entry(fb_session *session, uint64_t parent, const void *name, size_t length) {
  return fuse_lowlevel_notify_inval_entry(session->fuse, parent, name, length);
}

int fb_notify_deleted(fb_session *session, uint64_t parent, uint64_t child, const void *name, size_t length) {
  return fuse_lowlevel_notify_delete(session->fuse, parent, child, name, length);
}
