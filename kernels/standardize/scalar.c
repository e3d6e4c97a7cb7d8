/* standardize (SPEC 6.4): every column of [outer, reduce, inner] less its mean, over its deviation, one column after another. */
#include "kernels.h"

/* The integer square root of 2^60 <= v < 2^62. */
static uint64_t square_root(uint64_t v) {
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 30; bit; bit >>= 1)
        if ((root | bit) * (root | bit) <= v) root |= bit;
    return root;
}

/* Multiplier of the differences, and the right shift after it. */
static int64_t factor(int64_t spread, int32_t multiplier, int32_t shift, int64_t *right) {
    *right = 1;
    if (spread == 0) return 0;
    const int32_t pairs = (__builtin_clzll((uint64_t)spread) - 2) / 2;
    const uint64_t inverse = ((uint64_t)1 << 61) / square_root((uint64_t)spread << 2 * pairs);
    *right = 61 - pairs - shift < 62 ? 61 - pairs - shift : 62;
    return (int64_t)((inverse * (uint64_t)multiplier + ((uint64_t)1 << 30)) >> 31);
}

void intq_standardize_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_standardize *p = params;
    (void)scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t at = unit % p->inner, offset = (unit - at) * p->reduce + at, n = p->reduce;
        const int8_t *x = (const int8_t *)io[0] + offset;
        int8_t *y = (int8_t *)io[1] + offset;
        int64_t sum = 0, squares = 0, right;
        for (int64_t i = 0; i < n; i++) {
            const int64_t v = x[i * p->inner];
            sum += v;
            squares += v * v;
        }
        const int64_t by = factor(n * squares - sum * sum + p->epsilon, p->multiplier, p->shift, &right);
        for (int64_t i = 0; i < n; i++) {
            const int64_t q = (((n * x[i * p->inner] - sum) * by + ((int64_t)1 << (right - 1))) >> right) + p->zero_point;
            y[i * p->inner] = (int8_t)(q < p->lo ? p->lo : q > p->hi ? p->hi : q);
        }
    }
}
