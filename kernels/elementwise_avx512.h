/* Names for the elementwise kernels that are written once for every vector width: 512 bits. */
#include <immintrin.h>

#define BYTES 64
#define V __m512i
#define ZERO _mm512_setzero_si512
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define ALL8 _mm512_set1_epi8
#define ALL16 _mm512_set1_epi16
#define ALL32 _mm512_set1_epi32
#define XOR _mm512_xor_si512
#define LOW8 _mm512_unpacklo_epi8
#define HIGH8 _mm512_unpackhi_epi8
#define DOT _mm512_dpwssd_epi32
#define SRAV _mm512_srav_epi32
#define PACK32 _mm512_packs_epi32
#define PACK16 _mm512_packs_epi16
#define ADDS16 _mm512_adds_epi16
#define ADD16 _mm512_add_epi16
#define ADD32 _mm512_add_epi32
#define MAX8 _mm512_max_epi8
#define MIN8 _mm512_min_epi8
/* BYTES / 2 signed bytes at p as 16-bit numbers; the halves of 16-bit numbers as 32-bit numbers. */
#define WIDEN8(p) _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(p)))
#define WIDEN16_LOW(v) _mm512_cvtepi16_epi32(_mm512_castsi512_si256(v))
#define WIDEN16_HIGH(v) _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(v, 1))
#define STORE_PART(p, v, n) _mm512_mask_storeu_epi8(p, ((__mmask64)1 << (n)) - 1, v)
