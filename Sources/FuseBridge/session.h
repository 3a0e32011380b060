// What the files of the bridge share.
#pragma once
#define _GNU_SOURCE
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <fuse3/fuse_log.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "FuseBridge.h"

struct fb_worker {
  fb_session *session;
  pthread_t thread;
  struct fuse_buf buffer;
  atomic_int done;  // the thread has left its loop
};

struct fb_session {
  struct fuse_session *fuse;
  void *context;
  uint32_t flags;
  sem_t wake;
  atomic_int stopping;  // the threads are to leave their loops
  atomic_int ended;  // the kernel closed the connection
  struct fb_worker *workers;
  uint32_t worker_count;
};

extern const struct fuse_lowlevel_ops fb_operations;
