needs: matmul_sparse columns
typedef struct {
    sparse_@rounding@ sparse;
    conv_shape shape;
} conv2d_sparse_@rounding@_layer;

/* conv2d of pruned weights; `columns` holds four gathered columns. */
static void conv2d_sparse_@rounding@(const conv2d_sparse_@rounding@_layer *p, const int8_t *x, int8_t *y, int8_t *columns) {
    const int32_t pixels = p->shape.oh * p->shape.ow, channels = p->sparse.product.channels, depth = p->sparse.product.depth;
    for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
        const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
        gather_columns(&p->shape, x, pixel, n, 0, columns, depth);
        matmul_sparse_@rounding@(&p->sparse, columns, n, y + pixel * channels, channels);
    }
}
