/* copy: strided moves of elements, for concat, slice, transpose, pad and tile (SPEC 8). */
#include <stdint.h>
#include <string.h>

#include "decl.h"

static inline void run(const uint8_t *x, int64_t sx, uint8_t *y, int64_t sy, int64_t n, int32_t size) {
    if (sx == 1 && sy == 1) {
        memcpy(y, x, (size_t)(n * size));
        return;
    }
    switch (size) {
        case 1:
            for (int64_t i = 0; i < n; i++) y[i * sy] = x[i * sx];
            break;
        case 2:
            for (int64_t i = 0; i < n; i++) ((uint16_t *)y)[i * sy] = ((const uint16_t *)x)[i * sx];
            break;
        default:
            for (int64_t i = 0; i < n; i++) ((uint32_t *)y)[i * sy] = ((const uint32_t *)x)[i * sx];
    }
}

void intq_copy_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_copy *p = params;
    const int64_t *d = p->dims, *xs = p->x_stride, *ys = p->y_stride, size = p->element_size;
    (void)scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t i0 = unit / d[1], i1 = unit % d[1];
        const uint8_t *x = (const uint8_t *)io[0] + (p->x_offset + i0 * xs[0] + i1 * xs[1]) * size;
        uint8_t *y = (uint8_t *)io[1] + (p->y_offset + i0 * ys[0] + i1 * ys[1]) * size;
        for (int64_t i2 = 0; i2 < d[2]; i2++)
            for (int64_t i3 = 0; i3 < d[3]; i3++)
                for (int64_t i4 = 0; i4 < d[4]; i4++)
                    run(x + (i2 * xs[2] + i3 * xs[3] + i4 * xs[4]) * size, xs[5], y + (i2 * ys[2] + i3 * ys[3] + i4 * ys[4]) * size, ys[5],
                        d[5], p->element_size);
    }
}
