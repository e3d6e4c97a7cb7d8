/* adder2d with vpsadbw of 512 bits: 64 absolute differences and their sums at once. */
#ifndef __AVX512BW__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <immintrin.h>

#include "adder2d/adder2d.inc"

static inline void adder_four(const uint8_t *x, const uint8_t *w, int64_t lines, int32_t *sums) {
    __m512i s[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (int64_t k = 0; k < 64 * lines; k += 64) {
        const __m512i v = _mm512_loadu_si512(x + k);
#pragma GCC unroll 4
        for (int64_t j = 0; j < 4; j++) s[j] = _mm512_add_epi64(s[j], _mm512_sad_epu8(v, _mm512_loadu_si512(w + j * 64 * lines + k)));
    }
    for (int j = 0; j < 4; j++) sums[j] = (int32_t)_mm512_reduce_add_epi64(s[j]);
}

ADDER_ROW(avx512vnni)
