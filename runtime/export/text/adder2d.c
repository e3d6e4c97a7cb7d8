needs: product columns
typedef struct {
    product_@rounding@ product;
    conv_shape shape;
} adder2d_@rounding@_layer;

/* The bias less the absolute differences of inputs and weights; `column` holds one gathered column. The sum only falls, and its ends are proven. */
static void adder2d_@rounding@(const adder2d_@rounding@_layer *layer, const int8_t *x, int8_t *y, int8_t *column) {
    const product_@rounding@ p = layer->product;
    const int32_t pixels = layer->shape.oh * layer->shape.ow;
    for (int32_t pixel = 0; pixel < pixels; pixel++) {
        gather_columns(&layer->shape, x, pixel, 1, 0, column, p.depth);
        const int8_t *w = p.weights;
        for (int32_t o = 0; o < p.channels; o++, w += p.depth) {
            int32_t acc = p.bias[o];
            for (int32_t k = 0; k < p.depth; k++) acc -= column[k] < w[k] ? w[k] - column[k] : column[k] - w[k];
            *y++ = (int8_t)clamp(requant_@rounding@(acc, p.multiplier[o], p.shift[o], p.zero_point), p.lo, p.hi);
        }
    }
}
