/* standardize with vectors of 512 bits. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <immintrin.h>

#define KERNEL_NAME intq_standardize_any_avx512vnni
#define VECTOR 64
#include "standardize.inc"

INLINE longs products_unsigned(longs a, longs b) { return (longs)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
INLINE longs products(longs a, longs b) { return (longs)_mm512_mul_epi32((__m512i)a, (__m512i)b); }
INLINE ints smaller(ints a, ints b) { return (ints)_mm512_min_epi32((__m512i)a, (__m512i)b); }
INLINE ints larger(ints a, ints b) { return (ints)_mm512_max_epi32((__m512i)a, (__m512i)b); }

INLINE __mmask16 first(int64_t count) { return (__mmask16)(count >= LANES ? 0xffff : (1u << count) - 1); }
INLINE ints load(const int8_t *x, int64_t count) { return (ints)_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first(count), x)); }
INLINE void store(int8_t *y, ints v, int64_t count) { _mm_mask_storeu_epi8(y, first(count), _mm512_cvtepi32_epi8((__m512i)v)); }
INLINE int32_t total(ints v) { return _mm512_reduce_add_epi32((__m512i)v); }
