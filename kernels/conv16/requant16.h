/* Rounding i64_15 (SPEC 3.8) of a run of channels, included by each <isa>.c so that its copy vectorizes. */
#ifndef INTQ_REQUANT16_H
#define INTQ_REQUANT16_H
#include <stdint.h>

#include "kernels.h"

#define REQUANT16(name, type)                                                                                                    \
    static inline void name(const intq_requant16 *q, int64_t channel, int64_t n, const type *restrict sum, int16_t *restrict y) { \
        const int64_t *restrict bias = q->bias + channel, *restrict multiplier = q->multiplier + channel;                        \
        const int64_t *restrict half = q->half + channel, *restrict shift = q->shift + channel;                                  \
        const int32_t least = q->least, most = q->most, zero_point = q->zero_point;                                              \
        for (int64_t j = 0; j < n; j++) {                                                                                        \
            const int32_t v = (int32_t)(((sum[j] + bias[j]) * multiplier[j] + half[j]) >> shift[j]);                             \
            y[j] = (int16_t)((v < least ? least : v > most ? most : v) + zero_point);                                            \
        }                                                                                                                        \
    }
REQUANT16(requant16, int32_t)
REQUANT16(requant16_wide, int64_t)
#endif
