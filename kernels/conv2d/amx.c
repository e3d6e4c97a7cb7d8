/* conv2d: the driver with its products inlined and the tiles configured once a call (other code in the process may use them in between). */
#include "vec/amx.h"

intq_gemm_fn intq_gemm_s8s8_32x32x4_amx, intq_gemm_u8s8_12x32x4_avx512vnni;

static void product(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                    const int32_t *init, int32_t *acc) {
    amx_gemm(m, n, segs, k, a, lda, seg_offset, b, init, acc);
}
#define CONV_GEMM(p) ((p)->gemm == intq_gemm_s8s8_32x32x4_amx ? product : (p)->gemm)
#include "conv2d/conv2d.inc"

void intq_conv2d_any_amx(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_conv2d *p = params;
    const int tiles = p->gemm == intq_gemm_s8s8_32x32x4_amx;
    if (tiles) amx_begin(16);
    conv2d_run(p, io, begin, end, scratch);
    if (tiles) amx_end();
}

int64_t intq_conv2d_any_amx_prepare(void *params, uint8_t *packed) {
    intq_conv2d *p = params;
    if (p->gemm == intq_gemm_s8s8_32x32x4_amx && (int64_t)p->n * p->oh * p->ow < 8) { /* too few rows to fill tiles: bound by the weights */
        p->gemm = intq_gemm_u8s8_12x32x4_avx512vnni;
        p->ku = 4;
        p->flags = INTQ_UNSIGNED_A;
    }
    return intq_conv2d_prepare(p, packed);
}
