needs: high_mul rounding_shift saturating_shift_left leading_zeros shift_left
/* 1 / sqrt(value) as a multiplier with 31 fraction bits and a shift to the right, by five Newton-Raphson steps. */
static int32_t inverse_sqrt(int32_t value, int32_t *shift) {
    *shift = 0;
    if (value <= 1) return INT32_MAX;
    *shift = 11;
    for (; value >= 1 << 29; value /= 4) ++*shift;
    const int32_t pairs = (leading_zeros((uint32_t)value) - 1) / 2 - 1;
    *shift -= pairs;
    value = shift_left(value, 2 * pairs);
    const int32_t half = rounding_shift(value >> 1, 1);
    int32_t y = 1 << 28;
    for (int i = 0; i < 5; i++) {
        const int32_t cube = saturating_shift_left(high_mul(high_mul(y, y), y), 6);
        y = saturating_shift_left(high_mul((1 << 28) + (1 << 27), y) - high_mul(half, cube), 3);
    }
    y = high_mul(y, 1518500250);
    if (*shift < 0) {
        y = shift_left(y, -*shift);
        *shift = 0;
    }
    return y;
}
