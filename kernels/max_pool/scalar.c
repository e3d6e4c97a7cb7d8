#include <stdint.h>

static inline void window_max(const int8_t *x, int64_t rows, int64_t row_stride, int64_t taps, int64_t tap_stride, int64_t n, int8_t lo,
                              int8_t hi, int8_t *y) {
    for (int64_t c = 0; c < n; c++) y[c] = lo;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t t = 0; t < taps; t++) {
            const int8_t *line = x + r * row_stride + t * tap_stride;
            for (int64_t c = 0; c < n; c++) y[c] = line[c] > y[c] ? line[c] : y[c];
        }
    for (int64_t c = 0; c < n; c++) y[c] = y[c] < hi ? y[c] : hi;
}

#define KERNEL_NAME intq_max_pool_any_scalar
#include "max_pool.inc"
