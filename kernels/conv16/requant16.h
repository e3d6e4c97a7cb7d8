/* Rounding i64_15 (SPEC 3.8), in plain C: of int32 sums, or of int64 ones where those do not fit. */
#ifndef INTQ_REQUANT16_H
#define INTQ_REQUANT16_H
#include <stdint.h>

#include "kernels.h"

#define REQUANT16(name, type)                                                                                                    \
    static inline void name(const intq_requant16 *q, int64_t channel, int64_t n, const type *restrict sum, int16_t *restrict y) { \
        for (int64_t j = 0; j < n; j++) {                                                                                        \
            const int32_t shift = q->shift[channel + j];                                                                         \
            const int64_t product = (sum[j] + q->bias[channel + j]) * q->multiplier[channel + j];                                \
            const int32_t v = (int32_t)((product + (INT64_C(1) << (shift - 1))) >> shift);                                       \
            y[j] = (int16_t)((v < q->least ? q->least : v > q->most ? q->most : v) + q->zero_point);                             \
        }                                                                                                                        \
    }
REQUANT16(requant16_plain, int32_t)
REQUANT16(requant16_wide, int64_t)

/* The outputs [m][n], ldo apart, of sums that lie ldacc apart: of the includer's kind. */
static inline void requant16(const intq_requant16 *q, int64_t channel, int64_t m, int64_t n, const int32_t *sum, int64_t ldacc, int16_t *y, int64_t ldo);

#endif
