/* acc * mantissa * 2^exponent to the nearest integer, the product first rounded to 53 bits as a product of double precision is. */
static int64_t scale_float64(int64_t acc, int64_t mantissa, int32_t exponent) {
    const uint64_t a = acc < 0 ? 0 - (uint64_t)acc : (uint64_t)acc, b = (uint64_t)mantissa, most = UINT64_C(1) << 40;
    const uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
    const uint64_t middle = (a0 * b0 >> 32) + (a1 * b0 & UINT32_MAX) + a0 * b1;
    uint64_t low = a * b, high = a1 * b1 + (a1 * b0 >> 32) + (middle >> 32);
    int32_t drop = -53;
    for (uint64_t v = high ? high : low; v; v >>= 1) drop++;
    if (high) drop += 64;
    if (drop > 0) {
        const uint64_t rest = low & ((UINT64_C(1) << drop) - 1), half = UINT64_C(1) << (drop - 1);
        low = high << (64 - drop) | low >> drop;
        low += rest > half || (rest == half && (low & 1));
    } else
        drop = 0;
    const int32_t right = -(exponent + drop);
    if (right > 60) return 0;
    if (right > 0) low = (low + (UINT64_C(1) << (right - 1))) >> right;
    else if (low) low = -right > 40 || low > most >> -right ? most : low << -right;
    if (low > most) low = most;
    return acc < 0 ? -(int64_t)low : (int64_t)low;
}
