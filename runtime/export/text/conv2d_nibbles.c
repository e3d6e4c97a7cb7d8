needs: matmul_nibbles columns
typedef struct {
    product_@rounding@ product;
    conv_shape shape;
} conv2d_nibbles_@rounding@_layer;

/* conv2d of weights with four bits; `columns` holds eight gathered columns and four rows of unpacked weights. */
static void conv2d_nibbles_@rounding@(const conv2d_nibbles_@rounding@_layer *p, const int8_t *x, int8_t *y, int8_t *columns) {
    const int32_t pixels = p->shape.oh * p->shape.ow, channels = p->product.channels, depth = p->product.depth;
    for (int32_t pixel = 0; pixel < pixels; pixel += 8) {
        const int32_t n = pixels - pixel < 8 ? pixels - pixel : 8;
        gather_columns(&p->shape, x, pixel, n, 0, columns, depth);
        matmul_nibbles_@rounding@(&p->product, columns, n, y + pixel * channels, channels, columns + 8 * depth);
    }
}
