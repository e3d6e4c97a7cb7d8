needs: matmul columns
typedef struct {
    product_@rounding@ product; /* of one group */
    conv_shape shape;
} conv2d_@rounding@_layer;

/* x[h][w][c] to y[oh][ow][groups * channels]; `columns` holds four gathered columns. */
static void conv2d_@rounding@(const conv2d_@rounding@_layer *p, const int8_t *x, int8_t *y, int8_t *columns) {
    const int32_t pixels = p->shape.oh * p->shape.ow, channels = p->shape.groups * p->product.channels, depth = p->product.depth;
    for (int32_t group = 0; group < p->shape.groups; group++) {
        product_@rounding@ product = p->product;
        product.weights += group * product.channels * depth;
        product.bias += group * product.channels;
        product.multiplier += group * product.channels;
        product.shift += group * product.channels;
        for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
            const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
            gather_columns(&p->shape, x, pixel, n, group, columns, depth);
            matmul_@rounding@(&product, columns, n, y + pixel * channels + group * product.channels, channels);
        }
    }
}
