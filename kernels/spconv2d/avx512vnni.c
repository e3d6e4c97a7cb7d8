/* spconv2d with vpdpbusd.
 *   b16x4  lanes are 16 channels: a vector of weights is multiplied with 4 bytes of up to 24 pixels, as in gemm, but for the blocks of zeros.
 *   b1x4   lanes are 16 pixels: 4 weights of one channel are multiplied with the transposed operands [k / 4][64 pixels][4]. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "vec/four512.h"

enum { LANES_BLOCK = 64 };

typedef __m512i lanes_block;

INLINE lanes_block lanes_load(const int8_t *s) { return _mm512_loadu_si512(s); }
INLINE __m512i lanes_step(__m512i sum, const int8_t *x, lanes_block b) { return _mm512_dpbusd_epi32(sum, four_bytes(x), b); }

#include "spconv2d/lanes16.inc"

void intq_spconv2d_b16x4_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    lanes_run(params, io, begin, end, scratch);
}

/* to[j][i] = from[i][j] ^ flip for 16 by 16 words. */
INLINE void transpose16(const int32_t *from, int64_t ld_from, int32_t *to, int64_t ld_to, __m512i flip) {
    __m512i r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(from + i * ld_from);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* r[4g + j] holds column 4l + j of rows 4g .. 4g + 3 in lane l */
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88), b = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xDD);
        const __m512i c = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88), d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xDD);
        _mm512_storeu_si512(to + j * ld_to, _mm512_xor_si512(flip, _mm512_shuffle_i32x4(a, c, 0x88)));
        _mm512_storeu_si512(to + (4 + j) * ld_to, _mm512_xor_si512(flip, _mm512_shuffle_i32x4(b, d, 0x88)));
        _mm512_storeu_si512(to + (8 + j) * ld_to, _mm512_xor_si512(flip, _mm512_shuffle_i32x4(a, c, 0xDD)));
        _mm512_storeu_si512(to + (12 + j) * ld_to, _mm512_xor_si512(flip, _mm512_shuffle_i32x4(b, d, 0xDD)));
    }
}

/* One channel for `vectors` times 16 pixels; even and odd blocks sum apart, so that enough products are in flight. */
INLINE void lanes(int vectors, const intq_spconv2d *p, int64_t chunk, int64_t o, const int8_t *panel, int32_t *acc) {
    __m512i even[4], odd[4];
    for (int v = 0; v < vectors; v++) {
        even[v] = chunk ? _mm512_loadu_si512(acc + 16 * v) : _mm512_set1_epi32(p->conv.rq.bias[o]);
        odd[v] = _mm512_setzero_si512();
    }
    const int64_t list = chunk * p->lists + o, end = p->first[list + 1];
    int64_t b = p->first[list];
    for (; b + 2 <= end; b += 2) {
        const __m512i w0 = four_bytes(p->blocks + 4 * b), w1 = four_bytes(p->blocks + 4 * b + 4);
        const int8_t *x0 = panel + p->offset[b], *x1 = panel + p->offset[b + 1];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            even[v] = _mm512_dpbusd_epi32(even[v], _mm512_loadu_si512(x0 + 64 * v), w0);
            odd[v] = _mm512_dpbusd_epi32(odd[v], _mm512_loadu_si512(x1 + 64 * v), w1);
        }
    }
    if (b < end)
        for (int v = 0; v < vectors; v++)
            even[v] = _mm512_dpbusd_epi32(even[v], _mm512_loadu_si512(panel + p->offset[b] + 64 * v), four_bytes(p->blocks + 4 * b));
    for (int v = 0; v < vectors; v++) _mm512_storeu_si512(acc + 16 * v, _mm512_add_epi32(even[v], odd[v]));
}

/* The operands of up to 64 pixels, transposed: from where they lie, or from columns. */
INLINE sp_unit turn_columns(const intq_spconv2d *p, const int8_t *x, int64_t unit, int8_t *a, int8_t *panel) {
    const intq_conv2d *c = &p->conv;
    const int64_t first = unit * SP_LANES, pixels = conv_min(SP_LANES, (int64_t)c->n * c->oh * c->ow - first);
    const int64_t whole = sp_direct(c) && c->c % 4 == 0 ? pixels / 16 : 0; /* vectors whose operands are transposed from where they lie */
    sp_fill(c, x, first + 16 * whole, pixels - 16 * whole, a + 16 * whole * c->lda, 0);
    for (int64_t v = 0; v < (pixels + 15) / 16; v++) {
        const int8_t *from = v < whole ? x + (first + 16 * v) * c->c : a + 16 * v * c->lda;
        const int64_t step = (v < whole ? c->c : c->lda) / 4;
        for (int64_t k = 0; k < c->lda - 64; k += 64)
            transpose16((const int32_t *)(from + k), step, (int32_t *)(panel + k * SP_LANES + 64 * v), SP_LANES, _mm512_set1_epi8(-128));
    }
    return (sp_unit){pixels, 1, pixels, 0, first};
}

/* Rows of the image, each pixel transposed once for all taps. */
INLINE sp_unit turn_rows(const intq_spconv2d *p, const int8_t *x, int64_t unit, int8_t *a, int8_t *panel) {
    const intq_conv2d *c = &p->conv;
    const sp_unit u = sp_begin(p, x, unit, a, 1);
    const int64_t line = sp_panel(p), pixels = (u.runs + (c->kh - 1) * c->dilation_h) * p->pitch;
    for (int64_t i = 0; i < pixels; i += 16)
        for (int64_t k = 0; k < c->c; k += 64)
            transpose16((const int32_t *)(a + i * c->c + k), c->c / 4, (int32_t *)(panel + k * line + 4 * i), line, _mm512_setzero_si512());
    return u;
}

void intq_spconv2d_b1x4_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_spconv2d *p = params;
    const intq_conv2d *c = &p->conv;
    int32_t *acc = (int32_t *)scratch, *turned = acc + SP_LANES * SP_TILE;
    int8_t *panel = (int8_t *)(turned + SP_LANES * SP_TILE), *a = panel + (c->lda - 64) * SP_LANES;
    if (p->pitch) a = panel + sp_panel(p) * conv_round_up(c->c, 64);
    const __m512i keep = _mm512_setzero_si512();
    intq_requant rq = c->rq;
    rq.bias = NULL;
    for (int64_t unit = begin; unit < end; unit++) {
        const sp_unit u = p->pitch ? turn_rows(p, io[0], unit, a, panel) : turn_columns(p, io[0], unit, a, panel);
        const int64_t vectors = (u.pixels + 15) / 16;
        for (int64_t tile = 0; tile < c->oc; tile += SP_TILE) {
            const int64_t channels = conv_min(SP_TILE, c->oc - tile);
            for (int64_t chunk = 0; chunk < p->chunks; chunk++)
                for (int64_t o = 0; o < channels; o++)
                    switch (vectors) {
                    case 4: lanes(4, p, chunk, tile + o, panel, acc + o * SP_LANES); break;
                    case 3: lanes(3, p, chunk, tile + o, panel, acc + o * SP_LANES); break;
                    case 2: lanes(2, p, chunk, tile + o, panel, acc + o * SP_LANES); break;
                    default: lanes(1, p, chunk, tile + o, panel, acc + o * SP_LANES);
                    }
            for (int64_t o = 0; o < channels; o += 16)
                for (int64_t v = 0; v < vectors; v++) transpose16(acc + o * SP_LANES + 16 * v, SP_LANES, turned + 16 * v * SP_TILE + o, SP_TILE, keep);
            sp_end(c, &u, tile, channels, turned, &rq, io[1]);
        }
    }
}

int64_t intq_spconv2d_b16x4_avx512vnni_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare(params, packed, 16, SP_DOT4); }
int64_t intq_spconv2d_b1x4_avx512vnni_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare(params, packed, 1, SP_DOT4); }
