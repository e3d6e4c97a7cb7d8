#include <immintrin.h>

#define LANES 16
#define V __m512i
#define LOAD8(p) _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p)))
#define STORE8(p, v) _mm_storeu_si128((__m128i *)(p), _mm512_cvtepi32_epi8(v))
#define LOAD16(p) _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(p)))
#define STORE16(p, v) _mm256_storeu_si256((__m256i *)(p), _mm512_cvtepi32_epi16(v))
#define SET1(x) _mm512_set1_epi32(x)
#define SET64(x) _mm512_set1_epi64(x)
#define ADD32 _mm512_add_epi32
#define SUB32 _mm512_sub_epi32
#define ADD64 _mm512_add_epi64
#define MUL64 _mm512_mul_epi32
#define SHR64 _mm512_srli_epi64
#define SHL64 _mm512_slli_epi64
#define ODD(even, odd) _mm512_mask_blend_epi32(0xAAAA, even, odd)
#define AND _mm512_and_si512
#define SRA(v, by) _mm512_sra_epi32(v, _mm_cvtsi32_si128(by))
#define SLL(v, by) _mm512_sll_epi32(v, _mm_cvtsi32_si128(by))
#define MIN32 _mm512_min_epi32
#define MAX32 _mm512_max_epi32
#include "add.inc"

TFL_ADD(intq_tfl_add_s8_avx512vnni, 1)
TFL_ADD(intq_tfl_add_s16_avx512vnni, 2)
