/* copy: strided moves of elements, for concat, slice, transpose, pad and tile (SPEC 8). */
#include <stdint.h>
#include <string.h>

#include "kernels.h"

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
    int64_t index[INTQ_MAX_DIMS], at_x = p->x_offset, at_y = p->y_offset, rest = begin;
    (void)scratch;
    for (int i = INTQ_MAX_DIMS - 2; i >= 0; i--) {
        index[i] = rest % d[i];
        rest /= d[i];
        at_x += index[i] * xs[i];
        at_y += index[i] * ys[i];
    }
    for (int64_t unit = begin; unit < end; unit++) {
        run((const uint8_t *)io[0] + at_x * size, xs[5], (uint8_t *)io[1] + at_y * size, ys[5], d[5], p->element_size);
        for (int i = INTQ_MAX_DIMS - 2; i >= 0; i--) {
            at_x += xs[i];
            at_y += ys[i];
            if (++index[i] < d[i]) break;
            index[i] = 0;
            at_x -= d[i] * xs[i];
            at_y -= d[i] * ys[i];
        }
    }
}
