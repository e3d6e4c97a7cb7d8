/* Peak of AVX512-VNNI, and reads by whole cache lines. */
#include <immintrin.h>

#include "peak/peak.h"

#define VNNI __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(acc[i]) : "v"(a), "v"(b), "v"(c))

PEAK_CHAIN(vnni_avx512vnni, __m512i, 16, 64 * 2, VNNI)

void intq_peak_read_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    (void)params;
    __m512i acc[8] = {0};
    const uint8_t *p = (const uint8_t *)io[0] + begin * PEAK_READ_BYTES, *stop = (const uint8_t *)io[0] + end * PEAK_READ_BYTES;
    for (; p < stop; p += 512)
        for (int i = 0; i < 8; i++) acc[i] = _mm512_xor_si512(acc[i], _mm512_loadu_si512(p + 64 * i));
    for (int i = 1; i < 8; i++) acc[0] = _mm512_xor_si512(acc[0], acc[i]);
    _mm512_storeu_si512(scratch + 64, acc[0]);
    peak_report(scratch, (end - begin) * PEAK_READ_BYTES);
}
