/* finish: int32 tiles to int8, 32 bytes at a time: one row of up to 32 channels, two of up to 16 or four of up to 8. */
#include "vec/avx2.h"

#define FINISH_AVX2(rounding)                                                                                                          \
    INLINE void block_##rounding(const rq256 *p, int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, int8_t *out, int64_t ldo,    \
                                 int bias, rq256_layout layout) {                                                                      \
        const int rows = layout == RQ_ROW ? 1 : layout == RQ_PAIR ? 2 : 4, width = 32 / rows;                                          \
        for (int64_t i = 0; i < m; i += rows) {                                                                                        \
            __m256i a[4];                                                                                                              \
            int64_t row[4];                                                                                                            \
            for (int r = 0; r < rows; r++) row[r] = i + r < m ? i + r : m - 1; /* the last row again, rather than a tail */            \
            for (int v = 0; v < 4; v++)                                                                                                \
                a[v] = _mm256_loadu_si256((const __m256i *)(acc + row[8 * v / width] * ldacc + 8 * v % width));                        \
            const __m256i q = rq256_##rounding(p, a, bias, layout);                                                                    \
            for (int r = 0; r < rows; r++) store_part(out + row[r] * ldo, q, r, rows, n);                                              \
        }                                                                                                                              \
    }                                                                                                                                  \
    INLINE void layout_##rounding(int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq, int64_t channel,    \
                                  int8_t *out, int64_t ldo, rq256_layout layout) {                                                     \
        rq256 p;                                                                                                                       \
        rq256_load_##rounding(&p, rq, channel, n, layout);                                                                             \
        if (p.slow) {                                                                                                                  \
            for (int64_t i = 0; i < m; i++)                                                                                            \
                for (int64_t j = 0; j < n; j++)                                                                                        \
                    out[i * ldo + j] =                                                                                                 \
                        requant_##rounding(acc[i * ldacc + j] + (rq->bias ? rq->bias[channel + j] : 0), rq, channel + j);              \
        } else if (rq->bias)                                                                                                           \
            block_##rounding(&p, m, n, acc, ldacc, out, ldo, 1, layout);                                                               \
        else                                                                                                                           \
            block_##rounding(&p, m, n, acc, ldacc, out, ldo, 0, layout);                                                               \
    }                                                                                                                                  \
    void intq_finish_##rounding##_avx2(int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq,                \
                                       int64_t channel0, int8_t *out, int64_t ldo) {                                                   \
        for (int64_t j = 0; j < n; j += 32) {                                                                                          \
            const int64_t w = n - j < 32 ? n - j : 32;                                                                                 \
            if (w > 16)                                                                                                                \
                layout_##rounding(m, w, acc + j, ldacc, rq, channel0 + j, out + j, ldo, RQ_ROW);                                       \
            else if (w > 8)                                                                                                            \
                layout_##rounding(m, w, acc + j, ldacc, rq, channel0 + j, out + j, ldo, RQ_PAIR);                                      \
            else                                                                                                                       \
                layout_##rounding(m, w, acc + j, ldacc, rq, channel0 + j, out + j, ldo, RQ_QUAD);                                      \
        }                                                                                                                              \
    }
FINISH_AVX2(q15)
FINISH_AVX2(shift)
FINISH_AVX2(q31_single)
FINISH_AVX2(q31_double)
