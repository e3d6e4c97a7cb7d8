needs: high_mul saturating_shift_left
/* 1 / (1 + a) with 31 fraction bits, by three Newton-Raphson steps. */
static int32_t one_over_one_plus(int32_t a) {
    const int64_t sum = (int64_t)a + INT32_MAX;
    const int32_t half = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = 1515870810 + high_mul(half, -1010580540);
    for (int i = 0; i < 3; i++) x += saturating_shift_left(high_mul(x, (1 << 29) - high_mul(half, x)), 2);
    return saturating_shift_left(x, 1);
}
