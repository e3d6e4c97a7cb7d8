needs: product dot row_sum
/* matmul of weights with a zero point: products with the stored weights, less the zero point times the sum of the inputs. */
static void matmul_zero_@rounding@(const product_@rounding@ *layer, int32_t w_zero_point, const int8_t *a, int32_t rows, int8_t *y, int32_t ldy) {
    const product_@rounding@ p = *layer;
    const int32_t k = p.depth, blocks = p.channels - p.channels % COLS;
    for (; rows >= ROWS; rows -= ROWS, a += ROWS * k, y += ROWS * ldy) {
        int32_t sums[ROWS];
        for (int r = 0; r < ROWS; r++) sums[r] = w_zero_point * row_sum(a + r * k, k);
        for (int32_t j = 0; j < blocks; j += COLS) {
            int32_t acc[ROWS][COLS];
            dot_block(a, p.weights + j * k, k, acc);
            for (int c = 0; c < COLS; c++)
                for (int r = 0; r < ROWS; r++) y[r * ldy + j + c] = finish_@rounding@(&p, acc[r][c] - sums[r], j + c);
        }
        for (int32_t j = blocks; j < p.channels; j++)
            for (int r = 0; r < ROWS; r++) y[r * ldy + j] = finish_@rounding@(&p, dot(a + r * k, p.weights + j * k, k) - sums[r], j);
    }
    for (; rows > 0; rows--, a += k, y += ldy) {
        const int32_t sum = w_zero_point * row_sum(a, k);
        for (int32_t j = 0; j < p.channels; j++) y[j] = finish_@rounding@(&p, dot(a, p.weights + j * k, k) - sum, j);
    }
}
