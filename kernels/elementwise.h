/* What the elementwise and pooling kernels share: the walk over broadcast runs, and finishing chunks of int32 accumulators.
 *
 * Only the innermost dimension of an intq_broadcast is a loop of the kernel; a unit is one run of it. Ops that are requantized per tensor
 * hold INTQ_PAD_CHANNELS equal entries in their intq_requant, so a run of any length is finished as rows of that many columns. */
#ifndef INTQ_ELEMENTWISE_H
#define INTQ_ELEMENTWISE_H
#include <stddef.h>
#include <stdint.h>

#include "decl.h"

/* Offsets of both operands at a unit; the output is dense, so its offset is unit * dims[5]. */
static inline void intq_broadcast_at(const intq_broadcast *s, int64_t unit, int64_t *a, int64_t *b) {
    *a = *b = 0;
    for (int d = INTQ_MAX_DIMS - 2; d >= 0; d--) {
        const int64_t i = unit % s->dims[d];
        unit /= s->dims[d];
        *a += i * s->stride_a[d];
        *b += i * s->stride_b[d];
    }
}

enum { INTQ_CHUNK = 4096 }; /* accumulators in the 16 KiB of scratch that these ops ask for */

static inline void intq_finish_run(intq_finish_fn *finish, const intq_requant *rq, const int32_t *acc, int64_t n, int8_t *out) {
    const int64_t rows = n / INTQ_PAD_CHANNELS, rest = n % INTQ_PAD_CHANNELS, done = n - rest;
    if (rows) finish(rows, INTQ_PAD_CHANNELS, acc, INTQ_PAD_CHANNELS, rq, 0, out, INTQ_PAD_CHANNELS);
    if (rest) finish(1, rest, acc + done, INTQ_PAD_CHANNELS, rq, 0, out + done, INTQ_PAD_CHANNELS);
}
#endif
