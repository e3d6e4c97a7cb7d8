/* Measured limits of the machine: chains of one instruction mix on registers, and reads of a buffer.
 *
 * A row `peak` runs end - begin units and stores in scratch an int64 with the number of operations (a multiply and an add count as two; a
 * read counts bytes). The mixes are inline assembly: the results are wanted by nobody, and a compiler that sees intrinsics merges equal
 * chains, hoists their products or spills them, and so measures something else. */
#ifndef INTQ_PEAK_H
#define INTQ_PEAK_H
#include "kernels.h"

enum { PEAK_LOOP = 256 };         /* rounds in one unit of a chain */
enum { PEAK_READ_BYTES = 16384 }; /* bytes in one unit of a read; io[0] holds all units */

static inline void peak_report(uint8_t *scratch, int64_t operations) { *(int64_t *)scratch = operations; }

/* A row that runs MIX on `chains` accumulators of type VECTOR; every mix names acc[i], a, b, c. */
#define PEAK_CHAIN(name, VECTOR, chains, operations, MIX)                                                        \
    void intq_peak_##name(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {   \
        (void)params, (void)io;                                                                                  \
        VECTOR acc[chains] = {0}, a = {0}, b = {0}, c = {0};                                                     \
        __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c)); /* three registers: x ^ x costs nothing */             \
        for (int64_t r = begin * PEAK_LOOP; r < end * PEAK_LOOP; r++)                                            \
            _Pragma("GCC unroll 16") for (int i = 0; i < chains; i++) MIX;                                       \
        peak_report(scratch, (end - begin) * PEAK_LOOP * chains * (int64_t)(operations));                        \
    }
#endif
