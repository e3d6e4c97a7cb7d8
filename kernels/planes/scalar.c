/* planes in plain C, and the packing that every row shares. */
#include "vec/bits_scalar.h"

#include "planes/planes.inc"

PLANES_ROW(scalar)

/* The pairs of planes by falling weight 2^(m + k); returns how many. */
static int64_t pair_up(const intq_planes *p, int64_t w_plane, bit_pass *pass) {
    int64_t count = 0;
    for (int e = p->x_bits + p->w_bits - 2; e >= 0; e--) {
        int64_t fresh = count > 0;
        for (int m = 0; m < p->x_bits; m++) {
            const int k = e - m;
            if (k < 0 || k >= p->w_bits) continue;
            if (pass) pass[count] = (bit_pass){m * p->a_plane, k * w_plane, fresh};
            fresh = 0;
            count++;
        }
    }
    return count;
}

int64_t intq_planes_prepare(intq_planes *p, uint8_t *packed) {
    intq_bconv2d *c = &p->bits;
    const int64_t taps = bconv_taps(c), words = planes_words(p), channels = c->channels;
    const int direct = bconv_direct(c);
    p->plane = (int64_t)c->n * c->h * c->w * c->bytes;
    p->a_plane = direct ? p->plane : taps * c->bytes;
    intq_bconv2d_plan(c, direct ? c->bytes : p->x_bits * taps * c->bytes);
    c->scratch_bytes = bconv_up(c->band * (BCONV_NR + 1) * 4, 64) + (direct ? 0 : c->band * c->lda) + INTQ_SLACK;
    p->units = c->units;
    p->scratch_bytes = c->scratch_bytes;
    p->count = pair_up(p, words * 4 * BCONV_NR, NULL);
    const int64_t padded = c->panels * BCONV_NR, weights = padded * p->w_bits * words * 4, inits = padded * 4, passes = p->count * (int64_t)sizeof(bit_pass);
    const int64_t total = weights + inits + passes + p->x_bits * c->bytes + INTQ_SLACK;
    if (!packed) return total;
    memset(packed, 0, (size_t)total);
    int32_t *init = (int32_t *)(packed + weights);
    bit_pass *pass = (bit_pass *)(packed + weights + inits);
    uint8_t *border = packed + weights + inits + passes;
    pair_up(p, words * 4 * BCONV_NR, pass);
    for (int64_t o = 0; o < c->oc; o++) {
        uint32_t total_weight = 0;
        for (int64_t t = 0; t < taps; t++)
            for (int64_t i = 0; i < channels; i++) {
                const int8_t w = p->weights[(o * taps + t) * channels + i];
                const int32_t code = (w - p->w_low) / p->w_step;
                const int64_t bit = t * c->bytes * 8 + i;
                total_weight += (uint32_t)w;
                for (int k = 0; k < p->w_bits; k++) {
                    uint32_t *word = (uint32_t *)packed + (o / BCONV_NR * p->w_bits + k) * words * BCONV_NR + bit / 32 * BCONV_NR + o % BCONV_NR;
                    *word |= (uint32_t)(code >> k & 1) << (bit % 32);
                }
            }
        init[o] = (int32_t)((uint32_t)c->bias[o] + (uint32_t)(p->x_low - p->x_zero_point) * total_weight);
    }
    for (int m = 0; m < p->x_bits; m++)
        for (int64_t i = 0; i < channels; i++)
            border[m * c->bytes + i / 8] |= (uint8_t)(((p->x_zero_point - p->x_low) >> m & 1) << (i % 8));
    c->packed = packed;
    c->init = init;
    p->passes = (const int64_t *)pass;
    p->borders = border;
    return total;
}
