/* Peaks of AVX2 without VNNI: what an int8 dot product costs exactly (sign trick, 16-bit madd) and inexactly (maddubs alone saturates). */
#include <immintrin.h>

#include "peak/peak.h"

/* The absolute value of the left operand (a) is made once per row of a tile; the right one takes its sign for every product; c: ones. */
#define SIGNS                                                                                                                    \
    __asm__ volatile("vpsignb %2, %3, %%ymm15\n\tvpmaddubsw %%ymm15, %2, %%ymm15\n\tvpmaddwd %4, %%ymm15, %%ymm15\n\t"          \
                     "vpaddd %%ymm15, %1, %0" : "=x"(acc[i]) : "0"(acc[i]), "x"(a), "x"(b), "x"(c) : "xmm15")
#define MADDUBS                                                                                                                  \
    __asm__ volatile("vpmaddubsw %3, %2, %%ymm15\n\tvpmaddwd %4, %%ymm15, %%ymm15\n\tvpaddd %%ymm15, %1, %0"                     \
                     : "=x"(acc[i]) : "0"(acc[i]), "x"(a), "x"(b), "x"(c) : "xmm15")
#define MADD16                                                                                                                   \
    __asm__ volatile("vpmaddwd %3, %2, %%ymm15\n\tvpaddd %%ymm15, %1, %0" : "=x"(acc[i]) : "0"(acc[i]), "x"(a), "x"(b), "x"(c) : "xmm15")

PEAK_CHAIN(signs_avx2, __m256i, 8, 32 * 2, SIGNS)
PEAK_CHAIN(maddubs_avx2, __m256i, 8, 32 * 2, MADDUBS)
PEAK_CHAIN(madd16_avx2, __m256i, 8, 16 * 2, MADD16)

void intq_peak_read_avx2(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    (void)params;
    __m256i acc[8] = {0};
    const uint8_t *p = (const uint8_t *)io[0] + begin * PEAK_READ_BYTES, *stop = (const uint8_t *)io[0] + end * PEAK_READ_BYTES;
    for (; p < stop; p += 256)
        for (int i = 0; i < 8; i++) acc[i] = _mm256_xor_si256(acc[i], _mm256_loadu_si256((const __m256i *)(p + 32 * i)));
    for (int i = 1; i < 8; i++) acc[0] = _mm256_xor_si256(acc[0], acc[i]);
    _mm256_storeu_si256((__m256i *)(scratch + 64), acc[0]);
    peak_report(scratch, (end - begin) * PEAK_READ_BYTES);
}
