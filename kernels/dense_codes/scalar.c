/* dense_codes: plain C, and the packing that every row shares. */
#include "dense_codes/plain.inc"

CODES_PLAIN(scalar)

static uint8_t code_of(const intq_dense_codes *p, int64_t n, int64_t k) {
    const uint8_t pair = p->codes[n * ((p->k + 1) / 2) + k / 2];
    return k % 2 ? pair >> 4 : pair & 15;
}

int64_t intq_dense_codes_prepare(intq_dense_codes *p, uint8_t *packed, int32_t offset) {
    const int64_t panels = (p->n + CODES_NR - 1) / CODES_NR, bytes = panels * codes_panel(p), scales = panels * p->groups * CODES_NR;
    p->units = panels;
    p->scratch_bytes = p->m * ((p->k + 67) / 64 * 64) + 2 * INTQ_SLACK;
    if (!packed) return bytes + scales + INTQ_SLACK;
    memset(packed, 0, (size_t)(bytes + scales + INTQ_SLACK));
    for (int64_t n = 0; n < p->n; n++) {
        uint8_t *panel = packed + n / CODES_NR * codes_panel(p);
        const int64_t j = n % CODES_NR;
        uint32_t total = 0;
        for (int64_t k = 0; k < p->k; k++) {
            const uint8_t code = code_of(p, n, k), m = p->multipliers[n * p->groups + k / p->group];
            panel[k / 4 * 64 + j % 16 * 4 + k % 4] |= (uint8_t)(j < 16 ? code : code << 4);
            total += (uint32_t)(p->codebook[code] * m);
        }
        p->bias[n] -= (int32_t)((uint32_t)(p->x_zero_point + offset) * total);
        for (int64_t g = 0; g < p->groups; g++) packed[bytes + (n / CODES_NR * p->groups + g) * CODES_NR + j] = p->multipliers[n * p->groups + g];
    }
    p->packed = packed;
    p->packed_multipliers = packed + bytes;
    return bytes + scales + INTQ_SLACK;
}
