/* spconv2d over unstructured zeros: lanes are 16 channels, and `vpermb` brings each of them the 4 bytes that its own next weights multiply. A step's
 * positions and weights stay in registers for up to 24 pixels, so a pixel costs a shuffle and a vpdpbusd for up to 64 products. */
#if !defined(__AVX512VBMI__) || !defined(__AVX512VNNI__)
#error "compile with the flags of avx512bitalg in isa.def"
#endif
#include "vec/four512.h"

enum { LANES_BLOCK = 128 };

typedef struct {
    __m512i places, weights;
} lanes_block;

INLINE lanes_block lanes_load(const int8_t *s) { return (lanes_block){_mm512_loadu_si512(s), _mm512_loadu_si512(s + 64)}; }
INLINE __m512i lanes_step(__m512i sum, const int8_t *x, lanes_block b) {
    return _mm512_dpbusd_epi32(sum, _mm512_permutexvar_epi8(b.places, _mm512_loadu_si512(x)), b.weights);
}

#include "spconv2d/lanes16.inc"

void intq_spconv2d_csr_avx512bitalg(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    lanes_run(params, io, begin, end, scratch);
}

int64_t intq_spconv2d_csr_avx512bitalg_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare_csr(params, packed, 128); }
