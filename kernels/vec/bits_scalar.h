/* Sums of counted bits in plain C: counting with shifts and masks. */
#ifndef INTQ_VEC_BITS_SCALAR_H
#define INTQ_VEC_BITS_SCALAR_H
#include "vec/bits.h"

static inline uint32_t count_bits(uint32_t v) {
    v -= v >> 1 & 0x55555555;
    v = (v & 0x33333333) + (v >> 2 & 0x33333333);
    return ((v + (v >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24;
}

static inline void bits_gemm(bits_pairing pairing, int64_t count, const bit_pass *pass, int64_t rows, int64_t words, const uint8_t *a, int64_t lda,
                             const uint8_t *b, const bits_end *end, int32_t *acc) {
    int32_t *const first = acc;
    for (int64_t i = 0; i < rows; i++, acc += 32) {
        for (int j = 0; j < 32; j++) acc[j] = 0;
        for (int64_t n = 0; n < count; n++) {
            const uint32_t *w = (const uint32_t *)(b + pass[n].b);
            if (pass[n].twice)
                for (int j = 0; j < 32; j++) acc[j] *= 2;
            for (int64_t q = 0; q < words; q++, w += 32) {
                uint32_t v;
                __builtin_memcpy(&v, a + i * lda + pass[n].a + 4 * q, 4);
                for (int j = 0; j < 32; j++) acc[j] += (int32_t)count_bits(pairing == BITS_AND ? v & w[j] : v ^ w[j]);
            }
        }
    }
    bits_settle(end, rows, first);
}
#endif
