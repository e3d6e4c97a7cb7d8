/* What the elementwise and pooling kernels share: the walk over broadcast runs, and finishing chunks of int32 accumulators.
 *
 * Only the innermost dimension of an intq_broadcast is a loop of the kernel; a unit is one run of it. Ops that are requantized per tensor
 * hold INTQ_PAD_CHANNELS equal entries in their intq_requant, so a run of any length is finished as rows of that many columns. */
#ifndef INTQ_ELEMENTWISE_H
#define INTQ_ELEMENTWISE_H
#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

/* Where a walk over the runs stands: the index of every outer dimension, and the offsets of both operands. The output is dense, so its
 * offset is unit * dims[5]. */
typedef struct {
    int64_t index[INTQ_MAX_DIMS], a, b;
} intq_walk;

static inline intq_walk intq_walk_from(const intq_broadcast *s, int64_t unit) {
    intq_walk w = {{0}, 0, 0};
    for (int d = INTQ_MAX_DIMS - 2; d >= 0; d--) {
        w.index[d] = unit % s->dims[d];
        unit /= s->dims[d];
        w.a += w.index[d] * s->stride_a[d];
        w.b += w.index[d] * s->stride_b[d];
    }
    return w;
}

static inline void intq_walk_on(const intq_broadcast *s, intq_walk *w) {
    for (int d = INTQ_MAX_DIMS - 2; d >= 0; d--) {
        w->a += s->stride_a[d];
        w->b += s->stride_b[d];
        if (++w->index[d] < s->dims[d]) return;
        w->index[d] = 0;
        w->a -= s->dims[d] * s->stride_a[d];
        w->b -= s->dims[d] * s->stride_b[d];
    }
}

/* Past `count` runs at once, no more than are left of the innermost walked axis. */
static inline void intq_walk_over(const intq_broadcast *s, intq_walk *w, int64_t count) {
    enum { ROW = INTQ_MAX_DIMS - 2 };
    w->index[ROW] += count - 1;
    w->a += (count - 1) * s->stride_a[ROW];
    w->b += (count - 1) * s->stride_b[ROW];
    intq_walk_on(s, w);
}

/* Accumulators held at once: the 16 KiB of scratch that these ops ask for, less the vector that a window sum may write too much. */
enum { INTQ_CHUNK = 4096 - 64 };

static inline void intq_finish_run(intq_finish_fn *finish, const intq_requant *rq, const int32_t *acc, int64_t n, int8_t *out) {
    const int64_t rows = n / INTQ_PAD_CHANNELS, rest = n % INTQ_PAD_CHANNELS, done = n - rest;
    if (rows) finish(rows, INTQ_PAD_CHANNELS, acc, INTQ_PAD_CHANNELS, rq, 0, out, INTQ_PAD_CHANNELS);
    if (rest) finish(1, rest, acc + done, INTQ_PAD_CHANNELS, rq, 0, out + done, INTQ_PAD_CHANNELS);
}
#endif
