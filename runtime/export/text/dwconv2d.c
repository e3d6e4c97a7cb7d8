needs: product taps
typedef struct {
    product_@rounding@ product; /* depth: kh * kw */
    int32_t h, w, oh, ow, kh, kw;
    int32_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    int8_t x_zero_point;
} dwconv2d_@rounding@_layer;

/* x[h][w][c] to y[oh][ow][c], weights [kh][kw][c]; `border` takes c bytes, which stand for every pixel outside the image. */
static void dwconv2d_@rounding@(const dwconv2d_@rounding@_layer *layer, const int8_t *x, int8_t *y, int8_t *border) {
    const dwconv2d_@rounding@_layer p = *layer;
    const int32_t c = p.product.channels, blocks = c - c % LANES, taps = p.kh * p.kw;
    const int8_t *tap[MAX_TAPS] = {0}; /* what is read is set: compilers that see one tap doubt it */
    memset(border, p.x_zero_point, (size_t)c);
    for (int32_t oy = 0; oy < p.oh; oy++)
        for (int32_t ox = 0; ox < p.ow; ox++, y += c) {
            int32_t t = 0;
            for (int32_t ky = 0, iy = oy * p.stride_h - p.top; ky < p.kh; ky++, iy += p.dilation_h)
                for (int32_t kx = 0, ix = ox * p.stride_w - p.left; kx < p.kw; kx++, ix += p.dilation_w)
                    tap[t++] = iy < 0 || iy >= p.h || ix < 0 || ix >= p.w ? border : x + (iy * p.w + ix) * c;
            for (int32_t j = 0; j < blocks; j += LANES) {
                int32_t acc[LANES] = {0};
                for (t = 0; t < taps; t++) tap_lanes(acc, tap[t] + j, p.product.weights + t * c + j);
                for (int i = 0; i < LANES; i++) y[j + i] = finish_@rounding@(&p.product, acc[i], j + i);
            }
            for (int32_t j = blocks; j < c; j++) {
                int32_t acc = 0;
                for (t = 0; t < taps; t++) acc += tap[t][j] * p.product.weights[t * c + j];
                y[j] = finish_@rounding@(&p.product, acc, j);
            }
        }
}
