/* spconv2d with vpmaddwd on operands widened to 16 bits, two of K at once, as in gemm.
 *   b16x4  lanes are 16 channels: two vectors of weights are multiplied with 2 bytes of up to 6 pixels.
 *   b1x4   lanes are 64 pixels, whose sums stay in registers: 2 weights of one channel are multiplied with 2 bytes of each. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#include "spconv2d/spconv2d.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i load256(const void *from) { return _mm256_loadu_si256(from); }
INLINE __m256i widen(const int8_t *from) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)from)); }
INLINE __m256i pair_of(const int16_t *x) {
    int32_t v;
    memcpy(&v, x, 4);
    return _mm256_set1_epi32(v);
}

/* ---- b16x4 ---- */

INLINE void channels_rows(int rows, const intq_spconv2d *p, int64_t list, const int16_t *a, int32_t *acc) {
    const int64_t lda = p->conv.lda, end = p->first[list + 1];
    const int32_t *start = p->conv.rq.bias + 16 * list;
    __m256i c[6][2];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) c[i][0] = load256(start), c[i][1] = load256(start + 8);
    for (int64_t b = p->first[list]; b < end; b++) {
        const int8_t *w = p->blocks + 64 * b;
        const int16_t *v = a + p->offset[b];
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            const __m256i w0 = widen(w + 32 * h), w1 = widen(w + 32 * h + 16);
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) {
                const __m256i x = pair_of(v + i * lda + 2 * h);
                c[i][0] = _mm256_add_epi32(c[i][0], _mm256_madd_epi16(x, w0));
                c[i][1] = _mm256_add_epi32(c[i][1], _mm256_madd_epi16(x, w1));
            }
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        _mm256_storeu_si256((__m256i *)(acc + SP_TILE * i), c[i][0]);
        _mm256_storeu_si256((__m256i *)(acc + SP_TILE * i + 8), c[i][1]);
    }
}

#define ROWS(count) \
    for (; u.pixels - i >= count; i += count) channels_rows(count, p, (tile + at) / 16, a + i * c->lda, acc + SP_TILE * i + at);

void intq_spconv2d_b16x4_avx2(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_spconv2d *p = params;
    const intq_conv2d *c = &p->conv;
    int32_t *acc = (int32_t *)scratch;
    int16_t *a = (int16_t *)(acc + p->pixels * SP_TILE);
    int8_t *bytes = (int8_t *)(a + sp_operands(p) + INTQ_SLACK / 2);
    intq_requant rq = c->rq;
    rq.bias = NULL;
    for (int64_t unit = begin; unit < end; unit++) {
        const sp_unit u = sp_begin(p, io[0], unit, bytes, 0);
        for (int64_t k = 0; k < sp_operands(p); k += 16) _mm256_storeu_si256((__m256i *)(a + k), widen(bytes + k));
        for (int64_t tile = 0; tile < c->oc; tile += SP_TILE) {
            const int64_t channels = conv_min(SP_TILE, c->oc - tile);
            for (int64_t at = 0; at < channels; at += 16) {
                int64_t i = 0;
                ROWS(6)
                ROWS(4)
                ROWS(2)
                ROWS(1)
            }
            sp_end(c, &u, tile, channels, acc, &rq, io[1]);
        }
    }
}

int64_t intq_spconv2d_b16x4_avx2_prepare(void *params, uint8_t *packed) {
    intq_spconv2d *p = params;
    const int64_t bytes = intq_spconv2d_prepare(p, packed, 16, SP_PAIR);
    p->scratch_bytes += 2 * sp_operands(p) + INTQ_SLACK;
    return bytes;
}

/* ---- b1x4 ---- */

/* 8 rows of 8 numbers of 32 bits, ldx apart, become columns, ldy apart. */
INLINE void turn32(const int32_t *x, int64_t ldx, int32_t *y, int64_t ldy) {
    __m256i r[8], t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const __m256i a = load256(x + 2 * i * ldx), b = load256(x + (2 * i + 1) * ldx);
        t[2 * i] = _mm256_unpacklo_epi32(a, b), t[2 * i + 1] = _mm256_unpackhi_epi32(a, b);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* rows 0 .. 3, then 4 .. 7, of columns i and 4 + i */
        const __m256i a = t[i / 2], b = t[2 + i / 2], d = t[4 + i / 2], e = t[6 + i / 2];
        r[i] = i % 2 ? _mm256_unpackhi_epi64(a, b) : _mm256_unpacklo_epi64(a, b);
        r[4 + i] = i % 2 ? _mm256_unpackhi_epi64(d, e) : _mm256_unpacklo_epi64(d, e);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(y + i * ldy), _mm256_permute2x128_si256(r[i], r[4 + i], 0x20));
        _mm256_storeu_si256((__m256i *)(y + (4 + i) * ldy), _mm256_permute2x128_si256(r[i], r[4 + i], 0x31));
    }
}

/* Columns of 64 pixels, lda bytes apart, as [k / 2][64 pixels][2] in 16 bits. */
INLINE void turn_pairs(const int8_t *columns, int64_t lda, int64_t k, int16_t *panel) {
    for (int64_t q = 0; q < k; q += 16)
        for (int64_t i = 0; i < SP_LANES; i += 8) {
            __m128i r[8], t[8];
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++) r[j] = _mm_loadu_si128((const __m128i *)(columns + (i + j) * lda + q));
#pragma GCC unroll 4
            for (int j = 0; j < 8; j += 2) t[j] = _mm_unpacklo_epi16(r[j], r[j + 1]), t[j + 1] = _mm_unpackhi_epi16(r[j], r[j + 1]);
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) { /* pairs 4h .. 4h + 3 of pixels 0 .. 3 and 4 .. 7 */
                const __m128i a = _mm_unpacklo_epi32(t[h], t[2 + h]), b = _mm_unpackhi_epi32(t[h], t[2 + h]);
                const __m128i d = _mm_unpacklo_epi32(t[4 + h], t[6 + h]), e = _mm_unpackhi_epi32(t[4 + h], t[6 + h]);
                const __m128i pair[4] = {_mm_unpacklo_epi64(a, d), _mm_unpackhi_epi64(a, d), _mm_unpacklo_epi64(b, e), _mm_unpackhi_epi64(b, e)};
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++)
                    _mm256_storeu_si256((__m256i *)(panel + (q / 2 + 4 * h + j) * 2 * SP_LANES + 2 * i), _mm256_cvtepi8_epi16(pair[j]));
            }
        }
}

/* The sums of one channel and 64 pixels. */
INLINE void pixels_list(const intq_spconv2d *p, int64_t o, const int16_t *panel, int32_t *sum) {
    __m256i c[8];
    const int64_t end = p->first[o + 1];
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) c[v] = _mm256_set1_epi32(p->conv.rq.bias[o]);
    for (int64_t b = p->first[o]; b < end; b++) {
        const int16_t *x = panel + p->offset[b] / 4;
        const int8_t *w = p->blocks + 4 * b;
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            const __m256i times = _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)w[2 * h] | (uint32_t)(int32_t)w[2 * h + 1] << 16));
#pragma GCC unroll 8
            for (int v = 0; v < 8; v++) c[v] = _mm256_add_epi32(c[v], _mm256_madd_epi16(times, load256(x + 2 * h * SP_LANES + 16 * v)));
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) _mm256_storeu_si256((__m256i *)(sum + 8 * v), c[v]);
}

void intq_spconv2d_b1x4_avx2(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_spconv2d *p = params;
    const intq_conv2d *c = &p->conv;
    int32_t *acc = (int32_t *)scratch, *sums = acc + SP_LANES * SP_TILE;
    int16_t *panel = (int16_t *)(sums + SP_LANES * SP_TILE);
    int8_t *columns = (int8_t *)(panel + c->lda * SP_LANES);
    const int64_t all = (int64_t)c->n * c->oh * c->ow;
    intq_requant rq = c->rq;
    rq.bias = NULL;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t pixel0 = unit * p->pixels, pixels = conv_min(p->pixels, all - pixel0);
        sp_fill(c, io[0], pixel0, pixels, columns, 0);
        turn_pairs(columns, c->lda, c->seg_k, panel);
        for (int64_t tile = 0; tile < c->oc; tile += SP_TILE) {
            const int64_t channels = conv_min(SP_TILE, c->oc - tile);
            for (int64_t o = 0; o < channels; o++) pixels_list(p, tile + o, panel, sums + o * SP_LANES);
            for (int64_t o = 0; o < channels; o += 8) /* up to 7 too many, which the tile has room for */
                for (int64_t i = 0; i < pixels; i += 8) turn32(sums + o * SP_LANES + i, SP_LANES, acc + i * SP_TILE + o, SP_TILE);
            c->finish(pixels, channels, acc, SP_TILE, &rq, tile, (int8_t *)io[1] + pixel0 * c->oc + tile, c->oc);
        }
    }
}

int64_t intq_spconv2d_b1x4_avx2_prepare(void *params, uint8_t *packed) {
    intq_spconv2d *p = params;
    const int64_t bytes = intq_spconv2d_prepare(p, packed, 1, SP_PAIR);
    p->scratch_bytes += SP_LANES * p->conv.lda;
    return bytes;
}
