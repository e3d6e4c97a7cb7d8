/* spconv2d over unstructured zeros: lanes are 16 channels, and `vpermb` brings each of them the 4 bytes that its own next weights multiply. A step's
 * positions and weights stay in registers for up to 24 pixels, so a pixel costs a shuffle and a vpdpbusd for up to 64 products. */
#if !defined(__AVX512VBMI__) || !defined(__AVX512VNNI__)
#error "compile with the flags of avx512bitalg in isa.def"
#endif
#include <immintrin.h>

#include "spconv2d/spconv2d.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m512i step(__m512i sum, const int8_t *x, const int8_t *s) {
    const __m512i picked = _mm512_permutexvar_epi8(_mm512_loadu_si512(s), _mm512_loadu_si512(x));
    return _mm512_dpbusd_epi32(sum, picked, _mm512_loadu_si512(s + 64));
}

INLINE void pick(int rows, const intq_spconv2d *p, int64_t list, const int8_t *a, int64_t lda, int32_t *acc) {
    __m512i c[24];
    const __m512i start = _mm512_loadu_si512(p->conv.rq.bias + 16 * list);
#pragma GCC unroll 24
    for (int i = 0; i < rows; i++) c[i] = start;
    const int64_t end = p->first[list + 1];
    for (int64_t b = p->first[list]; b < end; b++) {
        const int8_t *v = a + p->offset[b], *s = p->blocks + 128 * b;
        const int8_t *r[8] = {v, v + 3 * lda, v + 6 * lda, v + 9 * lda, v + 12 * lda, v + 15 * lda, v + 18 * lda, v + 21 * lda};
#pragma GCC unroll 24
        for (int i = 0; i < rows; i++) c[i] = step(c[i], r[i / 3] + i % 3 * lda, s);
    }
#pragma GCC unroll 24
    for (int i = 0; i < rows; i++) _mm512_storeu_si512(acc + SP_TILE * i, c[i]);
}

/* One row: four sums in flight instead. */
INLINE void pick1(const intq_spconv2d *p, int64_t list, const int8_t *a, int32_t *acc) {
    __m512i c[4] = {_mm512_loadu_si512(p->conv.rq.bias + 16 * list), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    const int64_t end = p->first[list + 1];
    int64_t b = p->first[list];
    for (; b + 4 <= end; b += 4)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) c[i] = step(c[i], a + p->offset[b + i], p->blocks + 128 * (b + i));
    for (; b < end; b++) c[0] = step(c[0], a + p->offset[b], p->blocks + 128 * b);
    _mm512_storeu_si512(acc, _mm512_add_epi32(_mm512_add_epi32(c[0], c[1]), _mm512_add_epi32(c[2], c[3])));
}

#define ROWS(count) \
    for (; u.pixels - i >= count; i += count) pick(count, p, list, a + i * c->lda, c->lda, acc + SP_TILE * i + at);

void intq_spconv2d_csr_avx512bitalg(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_spconv2d *p = params;
    const intq_conv2d *c = &p->conv;
    int32_t *acc = (int32_t *)scratch;
    int8_t *a = (int8_t *)(acc + p->pixels * SP_TILE);
    intq_requant rq = c->rq;
    rq.bias = NULL;
    for (int64_t unit = begin; unit < end; unit++) {
        const sp_unit u = sp_begin(p, io[0], unit, a);
        for (int64_t tile = 0; tile < c->oc; tile += SP_TILE) {
            const int64_t channels = conv_min(SP_TILE, c->oc - tile);
            for (int64_t at = 0; at < channels; at += 16) {
                const int64_t list = (tile + at) / 16;
                int64_t i = 0;
                if (u.pixels == 1) {
                    pick1(p, list, a, acc + at);
                    continue;
                }
                ROWS(24)
                ROWS(12)
                ROWS(8)
                ROWS(4)
                ROWS(2)
                ROWS(1)
            }
            sp_end(c, &u, tile, channels, acc, &rq, io[1]);
        }
    }
}

int64_t intq_spconv2d_csr_avx512bitalg_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare_csr(params, packed, 128); }
