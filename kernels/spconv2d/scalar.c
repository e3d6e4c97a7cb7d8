/* spconv2d: plain C, and the packing that every row shares. */
#include "spconv2d/plain.inc"

SP_PLAIN_ROWS(scalar)

static int is_zero(const intq_conv2d *c, int64_t k, int64_t o, int64_t width, int64_t at) {
    for (int64_t j = o; j < conv_min(o + width, c->oc); j++)
        for (int64_t q = at; q < conv_min(at + 4, k); q++)
            if (c->weights[j * k + q]) return 0;
    return 1;
}

int64_t intq_spconv2d_prepare(intq_spconv2d *p, uint8_t *packed, int64_t width, sp_packing packing) {
    intq_conv2d *c = &p->conv;
    const int64_t k = (int64_t)c->kh * c->kw * c->c, steps = (k + 3) / 4;
    c->segs = 1;
    c->seg_k = k;
    c->lda = conv_round_up(k, 64) + 64; /* an odd number of lines apart: the rows of a block share no cache set */
    p->pixels = width == 1 ? SP_LANES : SP_ROWS;
    p->lists = (c->oc + width - 1) / width;
    p->units = ((int64_t)c->n * c->oh * c->ow + p->pixels - 1) / p->pixels;
    p->depth = width == 1 && packing == SP_DOT4 ? SP_DEPTH : conv_round_up(k, 4);
    p->chunks = (k + p->depth - 1) / p->depth;
    c->band = SP_LANES; /* conv_fill_columns keeps input rows behind that many pixels */
    p->scratch_bytes = SP_LANES * SP_TILE * 8 + SP_LANES * c->lda * 2 + conv_columns_bytes(c) + c->kh * conv_padded_width(c) * c->c + 4 * INTQ_SLACK;
    int64_t blocks = 0;
    for (int64_t i = 0; i < p->lists; i++)
        for (int64_t s = 0; s < steps; s++) blocks += !is_zero(c, k, i * width, width, 4 * s);
    const int64_t firsts = conv_round_up((p->chunks * p->lists + 1) * 4, 64), offsets = conv_round_up((blocks + 8) * 4, 64), bytes = blocks * width * 4;
    const int64_t total = firsts + offsets + bytes + INTQ_SLACK;
    if (!packed) return total;
    memset(packed, 0, (size_t)total);
    int32_t *first = (int32_t *)packed, *offset = (int32_t *)(packed + firsts);
    int8_t *block = (int8_t *)packed + firsts + offsets;
    p->first = first, p->offset = offset, p->blocks = block;
    int32_t count = 0;
    for (int64_t n = 0; n < p->chunks * p->lists; n++) {
        const int64_t i = n % p->lists, from = n / p->lists * (p->depth / 4);
        first[n] = count;
        for (int64_t s = from; s < conv_min(steps, from + p->depth / 4); s++) {
            if (is_zero(c, k, i * width, width, 4 * s)) continue;
            offset[count] = (int32_t)(width == 1 ? s * SP_LANES * 16 : 4 * s);
            if (width == 1 && packing == SP_DOT4) offset[count] = (int32_t)(s * SP_LANES * 4);
            for (int64_t j = 0; j < width; j++)
                for (int64_t q = 0; q < 4; q++)
                    if (i * width + j < c->oc && 4 * s + q < k)
                        block[count * width * 4 + (packing == SP_DOT4 ? 4 * j + q : q * width + j)] = c->weights[(i * width + j) * k + 4 * s + q];
            count++;
        }
    }
    first[p->chunks * p->lists] = count;
    for (int64_t o = 0; o < c->oc; o++) {
        int32_t sum = 0;
        for (int64_t q = 0; q < k; q++) sum += c->weights[o * k + q];
        c->bias[o] -= (int32_t)((uint32_t)(c->x_zero_point + (packing == SP_DOT4 ? 128 : 0)) * (uint32_t)sum);
    }
    return total;
}
