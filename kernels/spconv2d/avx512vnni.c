/* spconv2d with vpdpbusd.
 *   b16x4  lanes are 16 channels: a vector of weights is multiplied with 4 bytes of up to 24 pixels, as in gemm, but for the blocks of zeros.
 *   b1x4   lanes are 16 pixels: pixels16.inc. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "vec/four512.h"

enum { LANES_BLOCK = 64 };

typedef __m512i lanes_block;

INLINE lanes_block lanes_load(const int8_t *s) { return _mm512_loadu_si512(s); }
INLINE __m512i lanes_step(__m512i sum, const int8_t *x, lanes_block b) { return _mm512_dpbusd_epi32(sum, four_bytes(x), b); }

#include "spconv2d/lanes16.inc"

void intq_spconv2d_b16x4_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    lanes_run(params, io, begin, end, scratch);
}

int64_t intq_spconv2d_b16x4_avx512vnni_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare(params, packed, 16, SP_DOT4); }

#include "spconv2d/pixels16.inc"
#include "spconv2d/pixels16_pack.inc"
