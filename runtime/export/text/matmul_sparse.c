needs: product
/* A product with pruned weights: of each output's row only the weights that are not zero, and how far each lies behind the last.
 * A distance beyond 255 is bridged by weights of zero. */
typedef struct {
    product_@rounding@ product; /* its weights: those that are left, row by row */
    const uint8_t *distance;
    const uint16_t *count; /* weights of each row */
} sparse_@rounding@;

static void matmul_sparse_@rounding@(const sparse_@rounding@ *layer, const int8_t *a, int32_t rows, int8_t *y, int32_t ldy) {
    const product_@rounding@ p = layer->product;
    const int32_t k = p.depth;
    for (; rows > 0; rows -= 4, a += 4 * k, y += 4 * ldy) {
        const int8_t *w = p.weights;
        const uint8_t *distance = layer->distance;
        for (int32_t j = 0; j < p.channels; j++) {
            const int8_t *x = a, *const end = w + layer->count[j];
            int32_t acc[4] = {0, 0, 0, 0};
            if (rows >= 4)
                for (; w < end; w++) {
                    x += *distance++;
                    acc[0] += x[0] * *w, acc[1] += x[k] * *w, acc[2] += x[2 * k] * *w, acc[3] += x[3 * k] * *w;
                }
            else
                for (; w < end; w++) {
                    x += *distance++;
                    for (int32_t r = 0; r < rows; r++) acc[r] += x[r * k] * *w;
                }
            for (int32_t r = 0; r < 4 && r < rows; r++) y[r * ldy + j] = finish_@rounding@(&p, acc[r], j);
        }
    }
}
