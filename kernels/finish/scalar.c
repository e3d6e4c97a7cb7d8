/* finish: int32 tiles to int8, one function per rounding. */
#include "vec/scalar.h"

#define FINISH_SCALAR(rounding)                                                                                                       \
    void intq_finish_##rounding##_scalar(int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq,             \
                                         int64_t channel0, int8_t *out, int64_t ldo) {                                                \
        for (int64_t i = 0; i < m; i++)                                                                                               \
            for (int64_t j = 0; j < n; j++) {                                                                                         \
                const int64_t c = channel0 + j;                                                                                       \
                out[i * ldo + j] = requant_##rounding(acc[i * ldacc + j] + (rq->bias ? rq->bias[c] : 0), rq, c);                      \
            }                                                                                                                         \
    }
FINISH_SCALAR(q15)
FINISH_SCALAR(shift)
FINISH_SCALAR(q31_single)
FINISH_SCALAR(q31_double)
