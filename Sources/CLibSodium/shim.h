#pragma once
#include <sodium.h>

/* libsodium's parameters are non-null even where the length is 0: an empty buffer points here. Never written. */
static inline unsigned char *polykey_nowhere(void) {
  static unsigned char byte;
  return &byte;
}
