/* finish: int32 tiles to int8, 64 bytes at a time: one row of up to 64 channels, two of up to 32 or four of up to 16. */
#include "vec/avx512vnni.h"

#include "finish/finish.h"

#define BLOCKS(rounding)                                                                                                               \
    INLINE void block_##rounding(const rq512 *p, int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, int8_t *out, int64_t ldo,    \
                                 int bias, int left, int full, rq512_layout layout) {                                                  \
        const int rows = layout == RQ_ROW ? 1 : layout == RQ_PAIR ? 2 : 4, width = 64 / rows;                                          \
        const __mmask64 store = full ? ~UINT64_C(0) : mask64(n);                                                                       \
        for (int64_t i = 0; i < m; i += rows) {                                                                                        \
            __m512i a[4];                                                                                                              \
            int64_t row[4];                                                                                                            \
            for (int r = 0; r < rows; r++) row[r] = i + r < m ? i + r : m - 1; /* the last row again, rather than a tail */            \
            for (int v = 0; v < 4; v++) {                                                                                              \
                const int64_t at = 16 * v % width;                                                                                     \
                a[v] = _mm512_loadu_si512(acc + row[16 * v / width] * ldacc + at); /* past n: within INTQ_SLACK, and dropped */        \
            }                                                                                                                          \
            const __m512i q = rq512_##rounding(p, a, bias, left, layout);                                                              \
            if (layout == RQ_ROW) _mm512_mask_storeu_epi8(out + row[0] * ldo, store, q);                                               \
            if (layout == RQ_PAIR) {                                                                                                   \
                _mm256_mask_storeu_epi8(out + row[0] * ldo, (__mmask32)store, _mm512_castsi512_si256(q));                              \
                _mm256_mask_storeu_epi8(out + row[1] * ldo, (__mmask32)store, _mm512_extracti64x4_epi64(q, 1));                        \
            }                                                                                                                          \
            if (layout == RQ_QUAD) {                                                                                                   \
                _mm_mask_storeu_epi8(out + row[0] * ldo, (__mmask16)store, _mm512_castsi512_si128(q));                                 \
                _mm_mask_storeu_epi8(out + row[1] * ldo, (__mmask16)store, _mm512_extracti32x4_epi32(q, 1));                           \
                _mm_mask_storeu_epi8(out + row[2] * ldo, (__mmask16)store, _mm512_extracti32x4_epi32(q, 2));                           \
                _mm_mask_storeu_epi8(out + row[3] * ldo, (__mmask16)store, _mm512_extracti32x4_epi32(q, 3));                           \
            }                                                                                                                          \
        }                                                                                                                              \
    }                                                                                                                                  \
    INLINE void blocks_##rounding(const rq512 *p, int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq,     \
                                  int8_t *out, int64_t ldo, rq512_layout layout) {                                                     \
        if (p->left || rq->bias)                                                                                                       \
            block_##rounding(p, m, n, acc, ldacc, out, ldo, 1, 1, 0, layout);                                                          \
        else if (n == 64 || n == 32 || n == 16)                                                                                        \
            block_##rounding(p, m, n, acc, ldacc, out, ldo, 0, 0, 1, layout);                                                          \
        else                                                                                                                           \
            block_##rounding(p, m, n, acc, ldacc, out, ldo, 0, 0, 0, layout);                                                          \
    }                                                                                                                                  \
    FINISH(rounding, avx512vnni, rq512, 64)

BLOCKS(q15)
BLOCKS(shift)
BLOCKS(q31_single)
BLOCKS(q31_double)
