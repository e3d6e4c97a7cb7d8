needs: scale15
/* The same, modulo 2^32. */
static inline int32_t scale15_32(int64_t v, int32_t multiplier, int32_t right) { return (int32_t)scale15(v, multiplier, right); }
