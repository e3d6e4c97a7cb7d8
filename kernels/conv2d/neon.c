/* conv2d: the driver with NEON copies. */
#include "conv2d/conv2d.inc"

void intq_conv2d_any_neon(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    conv2d_run(params, io, begin, end, scratch, conv_panels, NULL);
}
int64_t intq_conv2d_any_neon_prepare(void *params, uint8_t *packed) { return intq_conv2d_prepare(params, packed); }
