needs: product dot row_sum
/* matmul of weights with a zero point: products with the stored weights, less the zero point times the sum of the inputs. */
static void matmul_zero_@rounding@(const product_@rounding@ *layer, int32_t w_zero_point, const int8_t *a, int32_t rows, int8_t *y, int32_t ldy) {
    const product_@rounding@ p = *layer;
    const int32_t k = p.depth;
    while (rows > 0) {
        const int32_t n = rows >= ROWS ? ROWS : 1;
        int32_t sums[ROWS], j = 0;
        for (int32_t r = 0; r < n; r++) sums[r] = w_zero_point * row_sum(a + r * k, k);
        for (; n == ROWS && j + COLS <= p.channels; j += COLS) {
            int32_t acc[ROWS][COLS];
            dot_block(a, p.weights + j * k, k, acc);
            for (int c = 0; c < COLS; c++)
                for (int r = 0; r < ROWS; r++) y[r * ldy + j + c] = finish_@rounding@(&p, acc[r][c] - sums[r], j + c);
        }
        for (; j < p.channels; j++)
            for (int32_t r = 0; r < n; r++) y[r * ldy + j] = finish_@rounding@(&p, dot(a + r * k, p.weights + j * k, k) - sums[r], j);
        rows -= n, a += n * k, y += n * ldy;
    }
}
