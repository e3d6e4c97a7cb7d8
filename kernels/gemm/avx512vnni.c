/* gemm with vpdpbusd: 12 rows by 32 columns in 24 accumulators; a panel row is two vectors of 16 columns by 4 deep.
 * The left operand is the unsigned one: rows arrive with the sign bit flipped. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { FAR_BYTES = 1 << 20 };

INLINE __m512i four_bytes(const int8_t *a) {
    int32_t v;
    __builtin_memcpy(&v, a, sizeof v);
    return _mm512_set1_epi32(v);
}

/* `rows` rows and `halves` vectors of columns, constants at every call. */
INLINE void block(int rows, int halves, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                  const int32_t *init, int32_t *acc) {
    __m512i c[12][2];
    for (int h = 0; h < halves; h++) {
        const __m512i start = init ? _mm512_loadu_si512(init + 16 * h) : _mm512_setzero_si512();
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) c[i][h] = start;
    }
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
#pragma GCC unroll 2
        for (int64_t q = 0; q < k; q += 4, b += 128, p += 4) {
            const __m512i b0 = _mm512_loadu_si512(b), b1 = halves > 1 ? _mm512_loadu_si512(b + 64) : b0;
            if (rows < 4) {
                _mm_prefetch((const char *)(b + 2048), _MM_HINT_T0);
                if (halves > 1) _mm_prefetch((const char *)(b + 2048 + 64), _MM_HINT_T0);
            }
            const int8_t *r[4] = {p, p + 3 * lda, p + 6 * lda, p + 9 * lda};
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++) {
                const __m512i v = four_bytes(r[i / 3] + i % 3 * lda);
                c[i][0] = _mm512_dpbusd_epi32(c[i][0], v, b0);
                if (halves > 1) c[i][1] = _mm512_dpbusd_epi32(c[i][1], v, b1);
            }
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < halves; h++) _mm512_storeu_si512(acc + 32 * i + 16 * h, c[i][h]);
}

/* One row: bound by the weights' way from memory, so four steps of k run side by side to hide the latency of the products. */
INLINE void single(int halves, int64_t segs, int64_t k, const int8_t *a, const int64_t *seg_offset, const int8_t *b, const int32_t *init,
                   int32_t *acc) {
    __m512i c[4][2];
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++)
        for (int h = 0; h < 2; h++) c[u][h] = u == 0 && init && h < halves ? _mm512_loadu_si512(init + 16 * h) : _mm512_setzero_si512();
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
        int64_t q = 0;
        for (; q + 16 <= k; q += 16, b += 512, p += 16) {
#pragma GCC unroll 4
            for (int u = 0; u < 4; u++) {
                const __m512i v = four_bytes(p + 4 * u);
                for (int h = 0; h < halves; h++) {
                    _mm_prefetch((const char *)(b + 4096 + 128 * u + 64 * h), _MM_HINT_T0);
                    c[u][h] = _mm512_dpbusd_epi32(c[u][h], v, _mm512_loadu_si512(b + 128 * u + 64 * h));
                }
            }
        }
        for (; q < k; q += 4, b += 128, p += 4)
            for (int h = 0; h < halves; h++) c[0][h] = _mm512_dpbusd_epi32(c[0][h], four_bytes(p), _mm512_loadu_si512(b + 64 * h));
    }
    for (int h = 0; h < halves; h++)
        _mm512_storeu_si512(acc + 16 * h, _mm512_add_epi32(_mm512_add_epi32(c[0][h], c[1][h]), _mm512_add_epi32(c[2][h], c[3][h])));
}

/* One row of two panels, `apart` bytes from each other: a step of k is loaded once for both. `far`: the weights are too many for the
 * second-level cache; nearer ones are loaded as fast without a prefetch. */
INLINE void pair_step(int far, const int8_t *p, const int8_t *b, int64_t apart, __m512i *c) {
    const __m512i v = four_bytes(p);
#pragma GCC unroll 4
    for (int h = 0; h < 4; h++) {
        const int8_t *at = b + h / 2 * apart + h % 2 * 64;
        if (far) _mm_prefetch((const char *)(at + 4096), _MM_HINT_T0);
        c[h] = _mm512_dpbusd_epi32(c[h], v, _mm512_loadu_si512(at));
    }
}
INLINE void pair(int far, int64_t segs, int64_t k, const int8_t *a, const int64_t *seg_offset, const int8_t *b, int64_t apart,
                 const int32_t *init, int32_t *acc) {
    __m512i even[4], odd[4]; /* to hide the latency of the products */
    for (int h = 0; h < 4; h++) even[h] = init ? _mm512_loadu_si512(init + 16 * h) : _mm512_setzero_si512(), odd[h] = _mm512_setzero_si512();
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
        int64_t q = 0;
        for (; q + 8 <= k; q += 8, b += 256, p += 8) pair_step(far, p, b, apart, even), pair_step(far, p + 4, b + 128, apart, odd);
        for (; q < k; q += 4, b += 128, p += 4) pair_step(far, p, b, apart, even);
    }
    for (int h = 0; h < 4; h++) _mm512_storeu_si512(acc + 16 * h, _mm512_add_epi32(even[h], odd[h]));
}

#define ROWS(count)                                                                             \
    while (m - i >= count) {                                                                    \
        block(count, halves, segs, k, a + i * lda, lda, seg_offset, b, init, acc + 32 * i);     \
        i += count;                                                                             \
    }
INLINE void columns(int halves, int64_t m, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                    const int32_t *init, int32_t *acc) {
    int64_t i = 0;
    ROWS(12)
    ROWS(8)
    ROWS(4)
    ROWS(2)
    if (i < m) single(halves, segs, k, a + i * lda, seg_offset, b, init, acc + 32 * i);
}

void intq_gemm_u8s8_12x32x4_avx512vnni(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                                       const int8_t *b, const int32_t *init, int32_t *acc) {
    const int64_t panel = segs * ((k + 3) / 4 * 4) * 32;
    const int far = panel * n / 32 > FAR_BYTES;
    for (; m == 1 && n > 32; n -= 64, b += 2 * panel, init += init ? 64 : 0, acc += 64) {
        if (far)
            pair(1, segs, k, a, seg_offset, b, panel, init, acc);
        else
            pair(0, segs, k, a, seg_offset, b, panel, init, acc);
    }
    if (n <= 0) return;
    if (n > 16)
        columns(2, m, segs, k, a, lda, seg_offset, b, init, acc);
    else
        columns(1, m, segs, k, a, lda, seg_offset, b, init, acc);
}
