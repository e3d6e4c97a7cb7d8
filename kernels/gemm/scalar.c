/* gemm, the shortest text: one row by 16 columns. */
#include <stdint.h>

#include "kernels.h"

void intq_gemm_s8s8_1x16x1_scalar(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                                  const int8_t *b, const int32_t *init, int32_t *acc) {
    (void)n;
    for (int64_t i = 0; i < m; i++, acc += 16) {
        const int8_t *bk = b;
        for (int j = 0; j < 16; j++) acc[j] = init ? init[j] : 0;
        for (int64_t s = 0; s < segs; s++)
            for (int64_t q = 0; q < k; q++, bk += 16) {
                const int16_t v = a[i * lda + seg_offset[s] + q];
                for (int j = 0; j < 16; j++) acc[j] += (int16_t)(v * bk[j]); /* at most 2^14 */
            }
    }
}
