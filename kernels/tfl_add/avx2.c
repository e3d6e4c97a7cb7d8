#include <immintrin.h>

static inline void store8(void *p, __m256i v) {
    const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(half, half));
}

static inline void store16(void *p, __m256i v) {
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}

#define LANES 8
#define V __m256i
#define LOAD8(p) _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p)))
#define STORE8(p, v) store8(p, v)
#define LOAD16(p) _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(p)))
#define STORE16(p, v) store16(p, v)
#define SET1(x) _mm256_set1_epi32(x)
#define SET64(x) _mm256_set1_epi64x(x)
#define ADD32 _mm256_add_epi32
#define SUB32 _mm256_sub_epi32
#define ADD64 _mm256_add_epi64
#define MUL64 _mm256_mul_epi32
#define SHR64 _mm256_srli_epi64
#define SHL64 _mm256_slli_epi64
#define ODD(even, odd) _mm256_blend_epi32(even, odd, 0xAA)
#define AND _mm256_and_si256
#define SRA(v, by) _mm256_sra_epi32(v, _mm_cvtsi32_si128(by))
#define SLL(v, by) _mm256_sll_epi32(v, _mm_cvtsi32_si128(by))
#define MIN32 _mm256_min_epi32
#define MAX32 _mm256_max_epi32
#include "add.inc"

TFL_ADD(intq_tfl_add_s8_avx2, 1)
TFL_ADD(intq_tfl_add_s16_avx2, 2)
