static inline int32_t leading_zeros(uint32_t v) {
    int32_t n = 0;
    for (; !(v >> 31); v <<= 1) n++;
    return n;
}
