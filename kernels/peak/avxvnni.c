/* Peak of AVX-VNNI: vpdpbusd on 256 bits. Twelve chains hide its latency of five cycles on two ports. */
#include <immintrin.h>

#include "peak/peak.h"

#define VNNI __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc[i]) : "x"(a), "x"(b), "x"(c))

PEAK_CHAIN(vnni_avxvnni, __m256i, 12, 32 * 2, VNNI)
