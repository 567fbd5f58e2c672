#include "CCallgrind.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>

int callgrind_is_there(void) { return RUNNING_ON_VALGRIND != 0; }
void callgrind_instrument(int on) {
    if (on) {
        CALLGRIND_START_INSTRUMENTATION;
    } else {
        CALLGRIND_STOP_INSTRUMENTATION;
    }
}
void callgrind_collect(void) { CALLGRIND_TOGGLE_COLLECT; }
#else
int callgrind_is_there(void) { return 0; }
void callgrind_instrument(int on) { (void)on; }
void callgrind_collect(void) {}
#endif
