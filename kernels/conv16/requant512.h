/* The hooks of requant16.inc with 512-bit vectors. */
#include <immintrin.h>

typedef __m512i V;
#define LANES16 16
#define LOAD32(from) _mm512_loadu_si512(from)
#define SET32(value) _mm512_set1_epi32(value)
#define ADD32 _mm512_add_epi32
#define MAX32 _mm512_max_epi32
#define MIN32 _mm512_min_epi32
#define MUL64 _mm512_mul_epi32
#define ADD64 _mm512_add_epi64
#define SRA64 _mm512_srav_epi64
#define ODD(v) _mm512_srli_epi64(v, 32)
#define EVEN_UP(v) _mm512_slli_epi64(v, 32)
#define HALF(s) _mm512_sllv_epi64(_mm512_set1_epi64(1), _mm512_sub_epi64(s, _mm512_set1_epi64(1)))
#define JOIN(even, odd) _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CCAA)
static inline void STORE16(int16_t *y, __m512i v, int64_t n) {
    if (n == LANES16)
        _mm256_storeu_si256((__m256i *)y, _mm512_cvtepi32_epi16(v));
    else
        _mm512_mask_cvtepi32_storeu_epi16(y, (__mmask16)((1u << n) - 1), v);
}

#include "conv16/requant16.inc"
