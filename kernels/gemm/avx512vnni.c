/* gemm with vpdpbusd: blocks of up to 24 accumulators, 6 rows by 64 columns or more rows of a narrower panel; a panel row is four vectors of
 * 16 columns by 4 deep. Square blocks load least for each product, which is what the clock depends on.
 * The left operand is the unsigned one: rows arrive with the sign bit flipped. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { FAR_BYTES = 1 << 20, PANEL_BYTES = 36 << 10, MANY_ROWS = 24 };

INLINE __m512i four_bytes(const int8_t *a) {
    int32_t v;
    __builtin_memcpy(&v, a, sizeof v);
    return _mm512_set1_epi32(v);
}

/* `rows` rows and `vectors` of columns, constants at every call. `more`: the sum goes on from what acc holds. */
INLINE void block(int rows, int vectors, int more, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                  const int8_t *b, int64_t ldb, const int32_t *init, int32_t *acc) {
    __m512i c[12][4];
    for (int v = 0; v < vectors; v++) {
        const __m512i start = init ? _mm512_loadu_si512(init + 16 * v) : _mm512_setzero_si512();
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) c[i][v] = more ? _mm512_loadu_si512(acc + 16 * (vectors * i + v)) : start;
    }
    for (int64_t s = 0; s < segs; s++, b += ldb) {
        const int8_t *p = a + seg_offset[s], *w = b;
#pragma GCC unroll 2
        for (int64_t q = 0; q < k; q += 4, w += 64 * vectors, p += 4) {
            __m512i wv[4];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                wv[v] = _mm512_loadu_si512(w + 64 * v);
                if (rows < 4) _mm_prefetch((const char *)(w + 2048 + 64 * v), _MM_HINT_T0);
            }
            const int8_t *r[4] = {p, p + 3 * lda, p + 6 * lda, p + 9 * lda};
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++) {
                const __m512i x = four_bytes(r[i / 3] + i % 3 * lda);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) c[i][v] = _mm512_dpbusd_epi32(c[i][v], x, wv[v]);
            }
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) _mm512_storeu_si512(acc + 16 * (vectors * i + v), c[i][v]);
}

/* `far`: the weights are too many for the second-level cache; nearer ones are loaded as fast without a prefetch. */
INLINE void step(int vectors, int far, const int8_t *p, const int8_t *b, __m512i *c) {
    const __m512i x = four_bytes(p);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        if (far) _mm_prefetch((const char *)(b + 2048 + 64 * v), _MM_HINT_T0);
        c[v] = _mm512_dpbusd_epi32(c[v], x, _mm512_loadu_si512(b + 64 * v));
    }
}
/* One row: bound by the weights' way, so `ways` steps of k run side by side to hide the latency of the products. */
INLINE void single(int vectors, int ways, int64_t segs, int64_t k, const int8_t *a, const int64_t *seg_offset, const int8_t *b,
                   const int32_t *init, int32_t *acc) {
    __m512i c[4][4];
#pragma GCC unroll 4
    for (int u = 0; u < ways; u++)
        for (int v = 0; v < vectors; v++) c[u][v] = u == 0 && init ? _mm512_loadu_si512(init + 16 * v) : _mm512_setzero_si512();
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
        int64_t q = 0;
        for (; q + 4 * ways <= k; q += 4 * ways, b += 64 * vectors * ways, p += 4 * ways)
#pragma GCC unroll 4
            for (int u = 0; u < ways; u++) step(vectors, 0, p + 4 * u, b + 64 * vectors * u, c[u]);
        for (; q < k; q += 4, b += 64 * vectors, p += 4) step(vectors, 0, p, b, c[0]);
    }
    for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 3
        for (int u = 1; u < ways; u++) c[0][v] = _mm512_add_epi32(c[0][v], c[u][v]);
        _mm512_storeu_si512(acc + 16 * v, c[0][v]);
    }
}

/* Many rows in even blocks: `most` is what the registers allow. One that is left over is better off alone than with few others. */
#define BLOCK(n)                                                                                            \
    case n:                                                                                                 \
        if (n <= most) block(n, vectors, more, segs, k, a, lda, seg_offset, b, ldb, init, acc); \
        break;
INLINE void rows(int vectors, int more, int64_t m, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                 const int8_t *b, int64_t ldb, const int32_t *init, int32_t *acc) {
    const int64_t most = vectors <= 2 ? 12 : vectors == 3 ? 8 : 6, blocks = (m + most - 1) / most, each = m / blocks, larger = m % blocks;
    for (int64_t i = 0; i < blocks; i++) {
        const int64_t count = each + (i < larger);
        switch (count) {
            BLOCK(1) BLOCK(2) BLOCK(3) BLOCK(4) BLOCK(5) BLOCK(6) BLOCK(7) BLOCK(8) BLOCK(9) BLOCK(10) BLOCK(11) BLOCK(12)
        }
        a += count * lda;
        acc += count * 16 * vectors;
    }
}

/* The weights of a block are to stay in the first-level cache beside the rows and their sums, so deep sums are made in pieces. */
INLINE void columns(int vectors, int64_t m, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                    const int8_t *b, const int32_t *init, int32_t *acc) {
    const int64_t ldb = (k + 3) / 4 * 64 * vectors, fit = PANEL_BYTES / (16 * vectors), pieces = (k + fit - 1) / fit, depth = (k / pieces + 3) / 4 * 4;
    if (segs * k <= fit || m < MANY_ROWS) {
        rows(vectors, 0, m, segs, k, a, lda, seg_offset, b, ldb, init, acc);
        return;
    }
    for (int64_t s = 0; s < segs; s++, b += ldb)
        for (int64_t q = 0; q < k; q += depth)
            rows(vectors, s || q, m, 1, k - q < depth ? k - q : depth, a + q, lda, seg_offset + s, b + q * 16 * vectors, ldb, init, acc);
}

/* One row, two panels at once where their way is long: it is shorter for two streams. */
INLINE void pair(int64_t segs, int64_t k, const int8_t *a, const int64_t *seg_offset, const int8_t *b, int64_t apart, const int32_t *init,
                 int32_t *acc) {
    __m512i c[8];
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) c[v] = init ? _mm512_loadu_si512(init + 16 * v) : _mm512_setzero_si512();
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
        for (int64_t q = 0; q < k; q += 4, b += 256, p += 4) step(4, 1, p, b, c), step(4, 1, p, b + apart, c + 4);
    }
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) _mm512_storeu_si512(acc + 16 * v, c[v]);
}

void intq_gemm_u8s8_6x64x4_avx512vnni(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                                      const int8_t *b, const int32_t *init, int32_t *acc) {
    const int64_t panel = segs * ((k + 3) / 4) * 256;
    const int far = panel * n / 64 > FAR_BYTES;
    for (; m == 1 && n > 112 && far; n -= 128, b += 2 * panel, init += init ? 128 : 0, acc += 128)
        pair(segs, k, a, seg_offset, b, panel, init, acc);
    for (; m == 1 && n > 0; n -= 64, b += panel, init += init ? 64 : 0, acc += 64) {
        if (n > 48)
            single(4, 2, segs, k, a, seg_offset, b, init, acc);
        else if (n > 32)
            single(3, 2, segs, k, a, seg_offset, b, init, acc);
        else if (n > 16)
            single(2, 4, segs, k, a, seg_offset, b, init, acc);
        else
            single(1, 4, segs, k, a, seg_offset, b, init, acc);
    }
    if (n <= 0) return;
    if (n > 48)
        columns(4, m, segs, k, a, lda, seg_offset, b, init, acc);
    else if (n > 32)
        columns(3, m, segs, k, a, lda, seg_offset, b, init, acc);
    else if (n > 16)
        columns(2, m, segs, k, a, lda, seg_offset, b, init, acc);
    else
        columns(1, m, segs, k, a, lda, seg_offset, b, init, acc);
}
