/* conv2d: the driver with AVX2 copies. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "conv2d/conv2d.inc"

void intq_conv2d_any_avx2(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    conv2d_run(params, io, begin, end, scratch, conv_panels, NULL);
}
int64_t intq_conv2d_any_avx2_prepare(void *params, uint8_t *packed) { return intq_conv2d_prepare(params, packed); }
