/* The hooks of requant16.inc with 256-bit vectors. AVX2 shifts 64 bits without a sign only: FAR, beyond every product, makes it positive, and of
 * what FAR becomes the lower half is taken off again. */
#include <immintrin.h>
#include <string.h>

typedef __m256i V;
#define LANES16 8
#define FAR _mm256_set1_epi64x(INT64_C(1) << 62)
#define LOAD32(from) _mm256_loadu_si256((const __m256i *)(from))
#define SET32(value) _mm256_set1_epi32(value)
#define ADD32 _mm256_add_epi32
#define MAX32 _mm256_max_epi32
#define MIN32 _mm256_min_epi32
#define MUL64 _mm256_mul_epi32
#define ADD64 _mm256_add_epi64
#define SRA64(v, s) _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_add_epi64(v, FAR), s), _mm256_srlv_epi64(FAR, s))
#define ODD(v) _mm256_srli_epi64(v, 32)
#define EVEN_UP(v) _mm256_slli_epi64(v, 32)
#define HALF(s) _mm256_sllv_epi64(_mm256_set1_epi64x(1), _mm256_sub_epi64(s, _mm256_set1_epi64x(1)))
#define JOIN(even, odd) _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa)
static inline void STORE16(int16_t *y, __m256i v, int64_t n) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    if (n == LANES16)
        _mm_storeu_si128((__m128i *)y, words);
    else
        memcpy(y, &words, (size_t)(2 * n));
}

#include "conv16/requant16.inc"
