/* tfl_lut from 8 to 16 bits: low and high bytes are looked up like those of lut8, then interleaved. */
#if !defined(__AVX512VBMI__)
#error "compile with the flags of avx512bitalg in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#include "kernels.h"

static inline __m512i lookup(__m512i x, const __m512i *t) {
    const __m512i low = _mm512_permutex2var_epi8(t[0], x, t[1]), high = _mm512_permutex2var_epi8(t[2], x, t[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

intq_kernel_fn intq_tfl_lut_any_scalar;

void intq_tfl_lut_any_avx512bitalg(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_tfl_lut *p = params;
    if (p->x_size != 1 || p->y_size != 2) {
        intq_tfl_lut_any_scalar(params, io, begin, end, scratch);
        return;
    }
    const int64_t stop = end * 4096 < p->count ? end * 4096 : p->count;
    const uint8_t *x = io[0];
    uint8_t *y = io[1], bytes[2][256];
    for (int i = 0; i < 256; i++) bytes[0][i] = p->table[2 * i], bytes[1][i] = p->table[2 * i + 1];
    __m512i low[4], high[4];
    for (int i = 0; i < 4; i++) low[i] = _mm512_loadu_si512(bytes[0] + 64 * i), high[i] = _mm512_loadu_si512(bytes[1] + 64 * i);
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7); /* so that halves of lanes come out side by side */
    for (int64_t i = begin * 4096; i < stop; i += 64) {
        const __m512i v = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(x + i)), a = lookup(v, low), b = lookup(v, high);
        const __mmask64 some = stop - i >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (stop - i)) - 1;
        _mm512_mask_storeu_epi16(y + 2 * i, (__mmask32)some, _mm512_unpacklo_epi8(a, b));
        _mm512_mask_storeu_epi16(y + 2 * i + 64, (__mmask32)(some >> 32), _mm512_unpackhi_epi8(a, b));
    }
}
