/* finish: int32 tiles to int8, 16 channels at a time. */
#include "vec/neon.h"

#define FINISH_NEON(rounding)                                                                                               \
    void intq_finish_##rounding##_neon(int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq,     \
                                       int64_t channel0, int8_t *out, int64_t ldo) {                                        \
        for (int64_t j = 0; j < n; j += 16) {                                                                               \
            rq128 p;                                                                                                        \
            rq128_load_##rounding(&p, rq, channel0 + j);                                                                    \
            for (int64_t i = 0; i < m; i++) {                                                                               \
                int32x4_t a[4];                                                                                             \
                for (int v = 0; v < 4; v++) a[v] = vld1q_s32(acc + i * ldacc + j + 4 * v);                                  \
                store_first(out + i * ldo + j, rq128_##rounding(&p, a), n - j);                                             \
            }                                                                                                               \
        }                                                                                                                   \
    }
FINISH_NEON(q15)
FINISH_NEON(shift)
FINISH_NEON(q31_single)
FINISH_NEON(q31_double)
