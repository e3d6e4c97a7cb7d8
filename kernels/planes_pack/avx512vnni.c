/* planes_pack: 64 channels at a time. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <immintrin.h>

#include "planes_pack/planes_pack.h"

static inline void pack64(const intq_planes_pack *p, const int8_t *x, uint64_t valid, uint8_t *y) {
    const __m512i v = _mm512_sub_epi8(_mm512_maskz_loadu_epi8(valid, x), _mm512_set1_epi8((int8_t)p->low));
    for (int m = 0; m < p->bits; m++) *(uint64_t *)(y + m * p->plane) = _mm512_mask_test_epi8_mask(valid, v, _mm512_set1_epi8((int8_t)(1 << m)));
}

PLANES_PACK(avx512vnni)
