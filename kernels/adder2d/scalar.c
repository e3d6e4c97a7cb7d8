/* adder2d: plain C, and the packing that every row shares. */
#include "adder2d/adder2d.inc"

static inline void adder_four(const uint8_t *x, const uint8_t *w, int64_t lines, int32_t *sums) {
    for (int64_t j = 0; j < 4; j++) {
        int32_t sum = 0;
        for (int64_t k = 0; k < 64 * lines; k++) {
            const int32_t d = (int32_t)x[k] - w[j * 64 * lines + k];
            sum += d < 0 ? -d : d;
        }
        sums[j] = sum;
    }
}

ADDER_ROW(scalar)

int64_t intq_adder2d_pack(intq_adder2d *p, uint8_t *packed) {
    intq_conv2d *c = &p->conv;
    const int64_t k = (int64_t)c->kh * c->kw * c->c, line = conv_round_up(k, 64), total = (c->oc + 3) / 4 * 4 * line + INTQ_SLACK;
    c->segs = 1;
    c->seg_k = k;
    c->lda = line + 64;
    p->units = ((int64_t)c->n * c->oh * c->ow + SP_ROWS - 1) / SP_ROWS;
    p->scratch_bytes = SP_ROWS * SP_TILE * 4 + SP_ROWS * c->lda + 4 * INTQ_SLACK;
    if (!packed) return total;
    memset(packed, 0, (size_t)total);
    for (int64_t o = 0; o < c->oc; o++)
        for (int64_t q = 0; q < k; q++) packed[o * line + q] = (uint8_t)c->weights[o * k + q] ^ 0x80;
    p->packed = packed;
    return total;
}
