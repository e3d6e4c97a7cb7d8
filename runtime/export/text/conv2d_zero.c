needs: matmul_zero columns
typedef struct {
    product_@rounding@ product;
    conv_shape shape;
    int32_t w_zero_point;
} conv2d_zero_@rounding@_layer;

/* conv2d of weights with a zero point; `columns` holds four gathered columns. */
static void conv2d_zero_@rounding@(const conv2d_zero_@rounding@_layer *p, const int8_t *x, int8_t *y, int8_t *columns) {
    const int32_t pixels = p->shape.oh * p->shape.ow, channels = p->product.channels, depth = p->product.depth;
    for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
        const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
        gather_columns(&p->shape, x, pixel, n, 0, columns, depth);
        matmul_zero_@rounding@(&p->product, p->w_zero_point, columns, n, y + pixel * channels, channels);
    }
}
