#pragma once

/// Whether this process runs under valgrind, and was built where its headers are (Debian's package `valgrind`).
int callgrind_is_there(void);

/// CALLGRIND_START_INSTRUMENTATION, CALLGRIND_STOP_INSTRUMENTATION: only what is instrumented can be counted, and it
/// runs many times slower. Nothing without valgrind.
void callgrind_instrument(int on);

/// CALLGRIND_TOGGLE_COLLECT: begins to count, or ends it; under `--collect-atstart=no` the first call begins.
void callgrind_collect(void);
