/* bconv2d in plain C, and the packing that every row shares. */
#include "vec/bits_scalar.h"

static uint32_t bits32(const int32_t *acc, const int32_t *threshold, const int32_t *flip) {
    uint32_t bits = 0;
    for (int j = 0; j < 32; j++) bits |= (uint32_t)((acc[j] >= threshold[j]) ^ flip[j]) << j;
    return bits;
}

#include "bconv2d/bconv2d.inc"

enum { COLUMN_BYTES = 20 << 10, BCONV_BLOCKS = 8 };

void intq_bconv2d_plan(intq_bconv2d *p, int64_t lda) {
    const int64_t pixels = (int64_t)p->n * p->oh * p->ow, tile = 12;
    p->lda = lda;
    const int64_t fit = COLUMN_BYTES / p->lda / tile * tile;
    p->band = bconv_min(fit < tile ? tile : fit > 120 ? 120 : fit, pixels);
    p->m_blocks = (pixels + p->band - 1) / p->band;
    p->panels = (p->oc + BCONV_NR - 1) / BCONV_NR;
    const int64_t parts = p->m_blocks >= BCONV_BLOCKS ? 1 : (BCONV_BLOCKS + p->m_blocks - 1) / p->m_blocks;
    p->panels_per_block = (p->panels + parts - 1) / parts;
    p->n_blocks = (p->panels + p->panels_per_block - 1) / p->panels_per_block;
    p->units = p->m_blocks * p->n_blocks;
    p->scratch_bytes = bconv_up(p->band * BCONV_NR * 4, 64) + p->band * p->lda + INTQ_SLACK;
}

int64_t intq_bconv2d_prepare(intq_bconv2d *p, uint8_t *packed) {
    intq_bconv2d_plan(p, bconv_taps(p) * p->bytes);
    const int64_t taps = bconv_taps(p), words = taps * p->bytes / 4, padded = p->panels * BCONV_NR;
    const int64_t weights = padded * words * 4, inits = padded * 4, sums = p->zero_padding ? taps * padded * 4 : 0, border = bconv_up(p->bytes, 64);
    const int64_t total = weights + inits + sums + border + INTQ_SLACK;
    if (!packed) return total;
    memset(packed, 0, (size_t)total);
    uint32_t *panel = (uint32_t *)packed;
    int32_t *init = (int32_t *)(packed + weights), *tap_sums = (int32_t *)(packed + weights + inits);
    uint8_t *pixel = packed + weights + inits + sums;
    for (int64_t o = 0; o < p->oc; o++)
        for (int64_t q = 0; q < words; q++) {
            uint32_t v;
            memcpy(&v, p->weights + (o * words + q) * 4, 4);
            panel[(o / BCONV_NR * words + q) * BCONV_NR + o % BCONV_NR] = v;
            if (p->zero_padding) tap_sums[q * 4 / p->bytes * padded + o] += (int32_t)count_bits(v);
        }
    for (int64_t o = 0; o < p->oc; o++) init[o] = (int32_t)((uint32_t)(taps * p->channels) << p->fraction) + (p->bias ? p->bias[o] : 0);
    if (p->zero_padding) /* the border is all +1: C - 2 * (C - ones) */
        for (int64_t t = 0; t < taps; t++)
            for (int64_t o = 0; o < p->oc; o++)
                tap_sums[t * padded + o] = (int32_t)((uint32_t)(2 * tap_sums[t * padded + o] - p->channels) << p->fraction);
    if (p->border) memcpy(pixel, p->border, (size_t)p->bytes);
    p->packed = packed;
    p->init = init;
    p->tap_sums = tap_sums;
    p->border = pixel;
    return total;
}

BCONV_ROWS(scalar)
