/* Rows of bits, least significant first, in bytes that are a multiple of 8; a set bit stands for +1, a clear one for -1. */
static inline uint32_t bits_at(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint32_t pairs(uint32_t v) { return v - ((v >> 1) & 0x55555555u); }
static inline uint32_t nibble_sums(uint32_t v) { return (v & 0x33333333u) + ((v >> 2) & 0x33333333u); }

/* How many bits differ between two runs of n bytes, n a multiple of 8. */
#if defined(__ARM_NEON)
#include <arm_neon.h>
static inline int32_t different_bits(const uint8_t *a, const uint8_t *b, int32_t n) {
    int32_t total = 0;
    while (n >= 16) {
        const int32_t end = n < 31 * 16 ? n / 16 * 16 : 31 * 16; /* at most 8 a byte and step */
        uint8x16_t sum = vdupq_n_u8(0);
        for (int32_t i = 0; i < end; i += 16) sum = vaddq_u8(sum, vcntq_u8(veorq_u8(vld1q_u8(a + i), vld1q_u8(b + i))));
        total += vaddlvq_u8(sum);
        a += end, b += end, n -= end;
    }
    return n ? total + vaddv_u8(vcnt_u8(veor_u8(vld1_u8(a), vld1_u8(b)))) : total;
}
#else
static inline int32_t different_bits(const uint8_t *a, const uint8_t *b, int32_t n) {
    int32_t total = 0;
    while (n > 0) {
        uint32_t sum = 0; /* four bytes, each of at most 15 * 16 */
        for (int32_t step = 0; step < 15 && n > 0; step++, n -= 8, a += 8, b += 8) {
            const uint32_t v = pairs(bits_at(a) ^ bits_at(b)), w = pairs(bits_at(a + 4) ^ bits_at(b + 4));
            const uint32_t s = nibble_sums(v) + nibble_sums(w);
            sum += (s & 0x0F0F0F0Fu) + ((s >> 4) & 0x0F0F0F0Fu);
        }
        sum = (sum & 0x00FF00FFu) + ((sum >> 8) & 0x00FF00FFu);
        total += (int32_t)((sum & 0xFFFF) + (sum >> 16));
    }
    return total;
}
#endif
