/* Runs a plan: one loop, one indirect call per step. No allocation, no lock where one thread is asked for. */
#define _GNU_SOURCE
#include "pool.h"
#include <time.h>

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void intq_run(const intq_step *steps, int32_t n_steps, intq_threads *t, uint8_t *scratch, int64_t scratch_bytes, int64_t *ns) {
    const int64_t threads = intq_threads_count(t);
    for (int32_t i = 0; i < n_steps; i++) {
        const intq_step *s = steps + i;
        const int64_t start = ns ? nanoseconds() : 0;
        int64_t parts = s->units / (s->min_units > 0 ? s->min_units : 1);
        parts = parts < threads ? parts : threads;
        if (parts <= 1 || s->units > INT32_MAX)
            s->fn(s->params, s->io, 0, s->units, scratch);
        else
            intq_threads_run(t, s, parts, scratch, scratch_bytes);
        if (ns) ns[i] = nanoseconds() - start;
    }
}
