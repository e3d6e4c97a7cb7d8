/* Sums of counted bits with vpopcntd: 12 rows by 32 columns in 24 accumulators, a word of 32 bits a step. The three instructions of a step
 * (combine, count, add) share two ports. */
#ifndef INTQ_VEC_BITS_AVX512BITALG_H
#define INTQ_VEC_BITS_AVX512BITALG_H
#ifndef __AVX512VPOPCNTDQ__
#error "compile with the flags of avx512bitalg in isa.def"
#endif
#include "vec/bits.h"
#include "vec/four512.h"

INLINE __m512i bits_step(bits_pairing pairing, __m512i sum, __m512i a, __m512i b) {
    return _mm512_add_epi32(sum, _mm512_popcnt_epi32(pairing == BITS_AND ? _mm512_and_si512(a, b) : _mm512_xor_si512(a, b)));
}

INLINE void bits_block(int rows, bits_pairing pairing, int64_t count, const bit_pass *pass, int64_t words, const uint8_t *a0, int64_t lda,
                       const uint8_t *b0, const bits_end *end, int64_t row0, int32_t *acc) {
    __m512i c[12][2];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) c[i][0] = c[i][1] = _mm512_setzero_si512();
    for (int64_t n = 0; n < count; n++, pass++) {
        const uint8_t *a = a0 + pass->a, *b = b0 + pass->b;
        if (pass->twice)
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++) c[i][0] = _mm512_slli_epi32(c[i][0], 1), c[i][1] = _mm512_slli_epi32(c[i][1], 1);
        for (int64_t q = 0; q < words; q++, b += 128, a += 4) {
            const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
            const uint8_t *r[4] = {a, a + 3 * lda, a + 6 * lda, a + 9 * lda};
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++) {
                const __m512i v = four_bytes(r[i / 3] + i % 3 * lda);
                c[i][0] = bits_step(pairing, c[i][0], v, b0);
                c[i][1] = bits_step(pairing, c[i][1], v, b1);
            }
        }
    }
    const __m512i init[2] = {_mm512_loadu_si512(end->init), _mm512_loadu_si512(end->init + 16)}, step = _mm512_set1_epi32(end->step);
    const __m128i places = _mm_cvtsi32_si128(__builtin_ctz((unsigned)end->step | 1u << 31));
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 2; h++) {
            __m512i v;
            if (pairing == BITS_XOR) /* minus a power of two */
                v = _mm512_sub_epi32(init[h], _mm512_sll_epi32(c[i][h], places));
            else
                v = _mm512_add_epi32(init[h], _mm512_mullo_epi32(c[i][h], step));
            if (end->row) v = _mm512_add_epi32(v, _mm512_set1_epi32(end->row[row0 + i]));
            _mm512_storeu_si512(acc + 32 * i + 16 * h, v);
        }
}

#define BITS_ROWS(rows_) \
    for (; rows - i >= rows_; i += rows_) \
        bits_block(rows_, pairing, count, pass, words, a + i * lda, lda, b, end, i, acc + 32 * i);
INLINE void bits_gemm(bits_pairing pairing, int64_t count, const bit_pass *pass, int64_t rows, int64_t words, const uint8_t *a, int64_t lda,
                      const uint8_t *b, const bits_end *end, int32_t *acc) {
    int64_t i = 0;
    BITS_ROWS(12)
    BITS_ROWS(8)
    BITS_ROWS(4)
    BITS_ROWS(2)
    BITS_ROWS(1)
}
#endif
