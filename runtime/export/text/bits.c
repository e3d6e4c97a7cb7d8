/* Rows of bits, least significant first, in bytes that are a multiple of 8; a set bit stands for +1, a clear one for -1. */
static inline int32_t count_bits(uint32_t v) {
    v -= (v >> 1) & 0x55555555u;
    v = (v & 0x33333333u) + ((v >> 2) & 0x33333333u);
    return (int32_t)((((v + (v >> 4)) & 0x0F0F0F0Fu) * 0x01010101u) >> 24);
}
