/* gemm with AMX tiles: 32 rows by 32 columns in four accumulators. Configures the tiles for every call; conv2d does it once a step. */
#include "vec/amx.h"

void intq_gemm_s8s8_32x32x4_amx(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                                const int8_t *b, const int32_t *init, int32_t *acc) {
    amx_begin(16);
    amx_gemm(m, n, segs, k, a, lda, seg_offset, b, init, acc);
    amx_end();
}
