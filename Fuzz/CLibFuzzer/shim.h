/* libFuzzer as a library: no header of the toolchain declares its entry point. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Runs `callback` on inputs that find new ways through the program, as the arguments say; see llvm.org/docs/LibFuzzer.html. */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
