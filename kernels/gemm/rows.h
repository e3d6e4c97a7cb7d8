/* What the gemm files share that keep a block of rows by 16 columns in registers. A file defines
 *   block(rows, GEMM_TILE)   one block; `rows` is a constant at every call, so it unrolls
 * and ends with GEMM_ROWS(symbol, ROWS(6) ROWS(4) ...), which cuts m rows into blocks of those sizes, the last of 1. */
#ifndef INTQ_GEMM_ROWS_H
#define INTQ_GEMM_ROWS_H
#include <stdint.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

#define GEMM_TILE                                                                                                                      \
    int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b, const int32_t *init, int32_t *acc

#define ROWS(count) \
    for (; m - i >= count; i += count) block(count, segs, k, a + i * lda, lda, seg_offset, b, init, acc + 16 * i);

#define GEMM_ROWS(symbol, blocks)                    \
    void symbol(int64_t m, int64_t n, GEMM_TILE) {   \
        int64_t i = 0;                               \
        (void)n;                                     \
        blocks                                       \
    }
#endif
