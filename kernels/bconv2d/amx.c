/* bconv2d as an int8 product on AMX tiles: bits become bytes of +1 and -1, weights when they are packed and inputs a block at a time. The counts of
 * different bits follow from the sums: (bits - sum) / 2. Unused bits take part on both sides, as in the rows that count.
 * Where windows overlap (stride 1) a block is some lines of the image, each pixel expanded once, and the taps of a line of the kernel are one run. */
#include "bconv2d/avx512.h"
#include "bconv2d/bconv2d.h"
#include "vec/amx.h"
#include "vec/bits.h"

enum { TILE_ROWS = 128 }; /* most pixels of a block */

INLINE int64_t pixel_bytes(const intq_bconv2d *p) { return (int64_t)p->bytes * 8; }
INLINE int64_t depth(const intq_bconv2d *p) { return (int64_t)p->kh * p->kw * pixel_bytes(p); }
INLINE int64_t pitch(const intq_bconv2d *p) { return p->ow + p->kw - 1; }

/* Output lines of a block, a divisor of those of an image; 0: blocks are runs of pixels with an operand each. */
INLINE int64_t lines(const intq_bconv2d *p) {
    if (p->kh * p->kw == 1 || p->stride_h > 1 || p->stride_w > 1 || p->dilation_h > 1 || p->dilation_w > 1 || p->kh > 8) return 0;
    int64_t count = bconv_min(p->oh, TILE_ROWS / p->ow);
    while (count > 0 && p->oh % count) count--;
    return count * p->ow >= 32 ? count : 0;
}
/* Between operands; an odd number of lines where they are apart: the rows of a tile then share no cache set. */
INLINE int64_t row_bytes(const intq_bconv2d *p) { return lines(p) ? pixel_bytes(p) : depth(p) / 64 % 2 ? depth(p) : depth(p) + 64; }
INLINE int64_t left_bytes(const intq_bconv2d *p) {
    return bconv_up(lines(p) ? (lines(p) + p->kh - 1) * pitch(p) * pixel_bytes(p) : p->band * row_bytes(p), 64) + 64;
}

INLINE void expand(const uint8_t *bits, int64_t bytes, uint8_t *to) {
    for (int64_t q = 0; q < bytes; q += 8) {
        uint64_t v;
        __builtin_memcpy(&v, bits + q, 8);
        _mm512_storeu_si512(to + 8 * q, _mm512_mask_mov_epi8(_mm512_set1_epi8(-1), v, _mm512_set1_epi8(1)));
    }
}

INLINE const uint8_t *left(const intq_bconv2d *p, const uint8_t *x, int64_t pixel0, int64_t rows, uint8_t *to) {
    const int64_t count = lines(p);
    if (!count) {
        uint8_t *columns = to + left_bytes(p);
        const uint8_t *bits = bconv_left(p, x, pixel0, rows, columns);
        for (int64_t i = 0; i < rows; i++) expand(bits + i * p->lda, depth(p) / 8, to + i * row_bytes(p));
        return to;
    }
    const int64_t line0 = pixel0 / p->ow, y0 = line0 % p->oh - p->pad_top;
    x += line0 / p->oh * p->h * p->w * p->bytes;
    for (int64_t i = 0; i < count + p->kh - 1; i++)
        for (int64_t j = 0; j < pitch(p); j++, to += pixel_bytes(p)) {
            const int64_t yy = y0 + i, xx = j - p->pad_left;
            expand(yy >= 0 && yy < p->h && xx >= 0 && xx < p->w ? x + (yy * p->w + xx) * p->bytes : p->border, p->bytes, to);
        }
    return to - (count + p->kh - 1) * pitch(p) * pixel_bytes(p);
}

INLINE void tiles(const intq_bconv2d *p, int64_t rows, const uint8_t *a, int64_t panel, const bits_end *end, int32_t *acc) {
    int32_t *const first = acc;
    const int64_t k = depth(p), count = lines(p), apart = count ? pitch(p) : rows, run = count ? p->ow : rows;
    const int8_t *b = (const int8_t *)p->packed + panel * k * 32;
    const __m512i all = _mm512_set1_epi32((int32_t)k);
    int32_t *sums = (int32_t *)(a + left_bytes(p) + (count ? 0 : bconv_up(p->band * p->lda, 64)));
    int64_t offset[8] = {0};
    for (int64_t s = 0; s < 8 && count; s++) offset[s] = s * pitch(p) * pixel_bytes(p);
    if (count)
        amx_gemm(count * apart - (p->kw - 1), 32, p->kh, p->kw * pixel_bytes(p), (const int8_t *)a, row_bytes(p), offset, b, NULL, sums);
    else
        amx_gemm(rows, 32, 1, k, (const int8_t *)a, row_bytes(p), offset, b, NULL, sums);
    for (int64_t i = 0; i < rows; i += run, sums += 32 * apart)
        for (int64_t j = 0; j < 2 * run; j++, acc += 16)
            _mm512_storeu_si512(acc, _mm512_srai_epi32(_mm512_sub_epi32(all, _mm512_loadu_si512(sums + 16 * j)), 1));
    bits_settle(end, rows, first);
}

#define BCONV_LEFT left
#define BCONV_GEMM(p, rows, words, a, panel, end, acc) ((void)(words), tiles(p, rows, a, panel, end, acc))
#include "bconv2d/bconv2d.inc"

static int64_t prepare(intq_bconv2d *p, uint8_t *packed) {
    const int64_t base = bconv_up(intq_bconv2d_prepare(p, packed), 64), k = depth(p), pixels = (int64_t)p->n * p->oh * p->ow;
    const int64_t blocks = (pixels + TILE_ROWS - 1) / TILE_ROWS, total = base + p->panels * k * 32 + INTQ_SLACK;
    p->band = lines(p) ? lines(p) * p->ow : (pixels + blocks - 1) / blocks;
    p->m_blocks = (pixels + p->band - 1) / p->band;
    p->units = p->m_blocks * p->n_blocks;
    const int64_t sums = bconv_up((lines(p) ? lines(p) * pitch(p) : p->band) * BCONV_NR * 4, 64), columns = lines(p) ? 0 : bconv_up(p->band * p->lda, 64);
    p->scratch_bytes = bconv_up(p->band * BCONV_NR * 4, 64) + left_bytes(p) + columns + sums + INTQ_SLACK;
    if (!packed) return total;
    int8_t *panels = (int8_t *)packed + base;
    memset(panels, -1, (size_t)(p->panels * k * 32));
    for (int64_t o = 0; o < p->oc; o++)
        for (int64_t i = 0; i < k; i++)
            if (p->weights[o * k / 8 + i / 8] >> (i % 8) & 1) panels[o / 32 * k * 32 + i / 4 * 128 + o % 32 * 4 + i % 4] = 1;
    p->packed = (const uint8_t *)panels;
    return total;
}

#define TILE_ROW(variant, output)                                                                                             \
    void intq_bconv2d_##variant##_amx(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {    \
        amx_begin(16);                                                                                                        \
        bconv2d_run(params, io, begin, end, scratch, output);                                                                 \
        amx_end();                                                                                                            \
    }                                                                                                                         \
    int64_t intq_bconv2d_##variant##_amx_prepare(void *params, uint8_t *packed) { return prepare(params, packed); }
TILE_ROW(s8, BCONV_S8)
TILE_ROW(s16, BCONV_S16)
TILE_ROW(bits, BCONV_BITS)
