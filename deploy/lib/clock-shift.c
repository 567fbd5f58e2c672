/* A library for LD_PRELOAD that turns the wall clock of one process by CLOCK_SHIFT_SECONDS, for deploy/lib/chaos.sh.
 *
 * libfaketime does more, and too much for us: it also bends the monotonic clock, and it knows nothing of C11's
 * cnd_timedwait, by which librdkafka waits. What is told the wall clock here must also wait by it: a point in time
 * that a process computed from the turned clock is turned back before the kernel sees it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>

static time_t shift(void) {
    static int is_read;
    static time_t seconds;
    if (!is_read) {
        const char *text = getenv("CLOCK_SHIFT_SECONDS");
        seconds = text ? atol(text) : 0;
        is_read = 1;
    }
    return seconds;
}

/* pthread_cond_timedwait has an older form that dlsym(3) may give instead. */
static void *next(const char *name) {
    void *function = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    return function ? function : dlsym(RTLD_NEXT, name);
}
#define NEXT(name)                                                     \
    ({                                                                 \
        static __typeof__(&name) found;                                \
        if (!found) found = (__typeof__(&name))next(#name);            \
        found;                                                         \
    })

int clock_gettime(clockid_t clock, struct timespec *time) {
    int code = NEXT(clock_gettime)(clock, time);
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += shift();
    return code;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int code = NEXT(gettimeofday)(time, zone);
    if (code == 0) time->tv_sec += shift();
    return code;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *time, int base) {
    int code = NEXT(timespec_get)(time, base);
    if (code == TIME_UTC) time->tv_sec += shift();
    return code;
}

/* The monotonic clock counts from the machine's start and is far from 2001; a condition may go by either. */
static struct timespec real(const struct timespec *until) {
    struct timespec turned = *until;
    if (turned.tv_sec > 1000000000) turned.tv_sec -= shift();
    return turned;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    struct timespec turned = real(until);
    return NEXT(pthread_cond_timedwait)(condition, mutex, &turned);
}

int pthread_cond_clockwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
                           const struct timespec *restrict until) {
    struct timespec turned = real(until);
    return NEXT(pthread_cond_clockwait)(condition, mutex, clock, &turned);
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec turned = real(until);
    return NEXT(cnd_timedwait)(condition, mutex, &turned);
}

int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec turned = real(until);
    return NEXT(mtx_timedlock)(mutex, &turned);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec turned = real(until);
    return NEXT(pthread_mutex_timedlock)(mutex, &turned);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    struct timespec turned = real(until);
    return NEXT(sem_timedwait)(semaphore, &turned);
}
