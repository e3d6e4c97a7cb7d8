/* Peak of binary products: xor, population count, add. Each of the 512 bits counts as two operations. */
#include <immintrin.h>

#include "peak/peak.h"

#define POPCOUNT                                                                                                           \
    __asm__ volatile("vpxorq %3, %2, %%zmm31\n\tvpopcntq %%zmm31, %%zmm31\n\tvpaddq %%zmm31, %1, %0"                       \
                     : "=v"(acc[i]) : "0"(acc[i]), "v"(a), "v"(b), "v"(c) : "xmm31")

PEAK_CHAIN(popcount_avx512bitalg, __m512i, 12, 512 * 2, POPCOUNT)
