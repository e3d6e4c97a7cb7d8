/* Names for the elementwise kernels that are written once for every vector width: 256 bits. */
#include <immintrin.h>
#include <string.h>

#define BYTES 32
#define V __m256i
#define ZERO _mm256_setzero_si256
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define ALL8 _mm256_set1_epi8
#define ALL16 _mm256_set1_epi16
#define ALL32 _mm256_set1_epi32
#define XOR _mm256_xor_si256
#define LOW8 _mm256_unpacklo_epi8
#define HIGH8 _mm256_unpackhi_epi8
#define DOT(acc, a, b) _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
#define SRAV _mm256_srav_epi32
#define PACK32 _mm256_packs_epi32
#define PACK16 _mm256_packs_epi16
#define ADDS16 _mm256_adds_epi16
#define ADD16 _mm256_add_epi16
#define ADD32 _mm256_add_epi32
#define MAX8 _mm256_max_epi8
#define MIN8 _mm256_min_epi8
/* BYTES / 2 signed bytes at p as 16-bit numbers; the halves of 16-bit numbers as 32-bit numbers. */
#define WIDEN8(p) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p)))
#define WIDEN16_LOW(v) _mm256_cvtepi16_epi32(_mm256_castsi256_si128(v))
#define WIDEN16_HIGH(v) _mm256_cvtepi16_epi32(_mm256_extracti128_si256(v, 1))

static inline void STORE_PART(int8_t *p, V v, int64_t n) {
    int8_t whole[BYTES];
    STORE(whole, v);
    memcpy(p, whole, (size_t)n);
}
