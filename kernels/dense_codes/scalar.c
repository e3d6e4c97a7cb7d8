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

int64_t intq_dense_linear_prepare(intq_dense_codes *p, uint8_t *packed) {
    const int64_t panels = (p->n + CODES_NR - 1) / CODES_NR, panel = codes_vectors(p) * 64;
    p->units = panels;
    p->scratch_bytes = (p->m * codes_ldx(p) + 63) / 64 * 64 + p->m * 4 + INTQ_SLACK;
    if (!packed) return panels * panel + INTQ_SLACK;
    memset(packed, 0, (size_t)(panels * panel + INTQ_SLACK));
    for (int64_t n = 0; n < p->n; n++) {
        uint32_t total = 0;
        for (int64_t k = 0; k < p->k; k++) {
            const uint8_t code = code_of(p, n, k);
            const int64_t at = n / CODES_NR * panel + k / 4 / codes_steps(p) * 64 + n % 16 * 4 + k % 4;
            packed[at] |= (uint8_t)(code << codes_bit(p, k / 4, n % CODES_NR >= 16));
            total += (uint32_t)(p->low + p->step * code);
        }
        p->bias[n] -= (int32_t)((uint32_t)p->x_zero_point * total);
    }
    p->packed = packed;
    return panels * panel + INTQ_SLACK;
}

enum { LINEAR_ROWS = 1 };

static void linear_sums(const intq_dense_codes *p, int64_t rows, int64_t unit, const int8_t *x, int64_t ldx, int32_t *acc) {
    const uint8_t *codes = p->packed + unit * codes_vectors(p) * 64;
    const int mask = (1 << p->bits) - 1;
    (void)rows, (void)ldx;
    memset(acc, 0, CODES_NR * sizeof *acc);
    for (int64_t s = 0; s < codes_vectors(p) * codes_steps(p); s++) {
        const uint8_t *c = codes + s / codes_steps(p) * 64;
        for (int half = 0; half < 2; half++) {
            const int bit = codes_bit(p, s, half);
            for (int j = 0; j < 64; j++) acc[16 * half + j / 4] += (c[j] >> bit & mask) * x[4 * s + j % 4];
        }
    }
}

#include "dense_codes/linear.inc"

CODES_LINEAR(scalar)
