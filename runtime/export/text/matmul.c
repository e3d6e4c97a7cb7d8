needs: product dot
/* y[i][j] from `rows` rows of `depth` inputs; output rows lie `ldy` apart. */
static void matmul_@rounding@(const product_@rounding@ *layer, const int8_t *a, int32_t rows, int8_t *y, int32_t ldy) {
    const product_@rounding@ p = *layer; /* a copy that writes to y cannot change */
    const int32_t k = p.depth, blocks = p.channels - p.channels % COLS;
    for (; rows >= ROWS; rows -= ROWS, a += ROWS * k, y += ROWS * ldy) {
        for (int32_t j = 0; j < blocks; j += COLS) {
            int32_t acc[ROWS][COLS];
            dot_block(a, p.weights + j * k, k, acc);
            for (int c = 0; c < COLS; c++)
                for (int r = 0; r < ROWS; r++) y[r * ldy + j + c] = finish_@rounding@(&p, acc[r][c], j + c);
        }
        for (int32_t j = blocks; j < p.channels; j++)
            for (int r = 0; r < ROWS; r++) y[r * ldy + j] = finish_@rounding@(&p, dot(a + r * k, p.weights + j * k, k), j);
    }
    for (; rows > 0; rows--, a += k, y += ldy)
        for (int32_t j = 0; j < p.channels; j++) y[j] = finish_@rounding@(&p, dot(a, p.weights + j * k, k), j);
}
