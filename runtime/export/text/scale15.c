/* v * multiplier / 2^right, rounded once, for accumulators of 64 bits and multipliers of 15. */
static inline int64_t scale15(int64_t v, int32_t multiplier, int32_t right) { return (v * multiplier + (INT64_C(1) << (right - 1))) >> right; }
