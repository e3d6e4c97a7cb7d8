/* The sum over a window, in plain C for any instruction set. */
#include <stdint.h>

static inline void window_sum(const int8_t *x, int64_t rows, int64_t row_stride, int64_t taps, int64_t tap_stride, int64_t n, int32_t offset,
                              int32_t *acc) {
    for (int64_t c = 0; c < n; c++) acc[c] = -offset;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t t = 0; t < taps; t++) {
            const int8_t *line = x + r * row_stride + t * tap_stride;
            for (int64_t c = 0; c < n; c++) acc[c] += line[c];
        }
}
