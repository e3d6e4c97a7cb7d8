/* a * b / 2^31 to nearest; the one product that overflows saturates. */
static inline int32_t high_mul(int32_t a, int32_t b) {
    const int64_t v = ((int64_t)a * b + (1 << 30)) >> 31;
    return v > INT32_MAX ? INT32_MAX : (int32_t)v;
}
