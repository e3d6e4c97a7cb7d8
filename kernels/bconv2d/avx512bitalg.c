/* bconv2d with vpopcntd: 12 pixels by 32 channels in 24 accumulators, a word of 32 bits a step. The three instructions of a step (xor,
 * count, add) share two ports. */
#ifndef __AVX512VPOPCNTDQ__
#error "compile with the flags of avx512bitalg in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m512i broadcast(const uint8_t *a) {
    int32_t v;
    __builtin_memcpy(&v, a, 4);
    return _mm512_set1_epi32(v);
}

INLINE void block(int rows, int64_t words, const uint8_t *a, int64_t lda, const uint8_t *b, int32_t *acc) {
    __m512i c[12][2];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) c[i][0] = c[i][1] = _mm512_setzero_si512();
    for (int64_t q = 0; q < words; q++, b += 128, a += 4) {
        const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
        const uint8_t *r[4] = {a, a + 3 * lda, a + 6 * lda, a + 9 * lda};
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const __m512i v = broadcast(r[i / 3] + i % 3 * lda);
            c[i][0] = _mm512_add_epi32(c[i][0], _mm512_popcnt_epi32(_mm512_xor_si512(v, b0)));
            c[i][1] = _mm512_add_epi32(c[i][1], _mm512_popcnt_epi32(_mm512_xor_si512(v, b1)));
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_si512(acc + 32 * i, c[i][0]);
        _mm512_storeu_si512(acc + 32 * i + 16, c[i][1]);
    }
}

#define ROWS(count) \
    for (; rows - i >= count; i += count) block(count, words, a + i * lda, lda, b, acc + 32 * i);
INLINE void bgemm(int64_t rows, int64_t words, const uint8_t *a, int64_t lda, const uint8_t *b, int32_t *acc) {
    int64_t i = 0;
    ROWS(12)
    ROWS(8)
    ROWS(4)
    ROWS(2)
    ROWS(1)
}

INLINE uint32_t half_bits(const int32_t *acc, const int32_t *threshold, const int32_t *flip) {
    return (uint32_t)(_mm512_cmpge_epi32_mask(_mm512_loadu_si512(acc), _mm512_loadu_si512(threshold)) ^
                      _mm512_test_epi32_mask(_mm512_loadu_si512(flip), _mm512_set1_epi32(1)));
}
INLINE uint32_t bits32(const int32_t *acc, const int32_t *threshold, const int32_t *flip) {
    return half_bits(acc, threshold, flip) | half_bits(acc + 16, threshold + 16, flip + 16) << 16;
}

#include "bconv2d/bconv2d.inc"

BCONV_ROWS(avx512bitalg)
