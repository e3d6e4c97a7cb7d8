needs: common
/* a * b / 2^31 to nearest; the one product that overflows saturates. */
static inline int32_t high_mul(int32_t a, int32_t b) {
    const int64_t v = ((int64_t)a * b + (1 << 30)) >> 31;
    return v > INT32_MAX ? INT32_MAX : (int32_t)v;
}
/* v / 2^by to nearest, ties away from zero. */
static inline int32_t rounding_shift(int32_t v, int32_t by) {
    const int32_t mask = (int32_t)((UINT32_C(1) << by) - 1), threshold = (mask >> 1) + (v < 0);
    return (v >> by) + ((v & mask) > threshold);
}
