/* v / 2^by to nearest, ties away from zero. */
static inline int32_t rounding_shift(int32_t v, int32_t by) {
    const int32_t mask = (int32_t)((UINT32_C(1) << by) - 1), threshold = (mask >> 1) + (v < 0);
    return (v >> by) + ((v & mask) > threshold);
}
