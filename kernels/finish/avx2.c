/* finish: int32 tiles to int8, 32 bytes at a time: one row of up to 32 channels, two of up to 16 or four of up to 8. */
#include "vec/avx2.h"

#include "finish/finish.h"

#define BLOCKS(rounding)                                                                                                               \
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
    INLINE void blocks_##rounding(const rq256 *p, int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq,     \
                                  int8_t *out, int64_t ldo, rq256_layout layout) {                                                     \
        if (rq->bias)                                                                                                                  \
            block_##rounding(p, m, n, acc, ldacc, out, ldo, 1, layout);                                                                \
        else                                                                                                                           \
            block_##rounding(p, m, n, acc, ldacc, out, ldo, 0, layout);                                                                \
    }                                                                                                                                  \
    FINISH(rounding, avx2, rq256, 32)

BLOCKS(q15)
BLOCKS(shift)
BLOCKS(q31_single)
BLOCKS(q31_double)
