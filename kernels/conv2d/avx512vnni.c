/* conv2d: the driver with AVX-512 copies. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "conv2d/conv2d.inc"

void intq_conv2d_any_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    conv2d_run(params, io, begin, end, scratch, conv_panels, NULL);
}
int64_t intq_conv2d_any_avx512vnni_prepare(void *params, uint8_t *packed) { return intq_conv2d_prepare(params, packed); }
