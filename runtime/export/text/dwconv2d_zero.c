needs: product
typedef struct {
    product_@rounding@ product; /* depth: kh * kw */
    int32_t h, w, oh, ow, kh, kw;
    int32_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    int8_t x_zero_point;
    int32_t w_zero_point;
} dwconv2d_zero_@rounding@_layer;

/* x[h][w][c] to y[oh][ow][c], weights [kh][kw][c] with a zero point; `sums` takes c of them. */
static void dwconv2d_zero_@rounding@(const dwconv2d_zero_@rounding@_layer *layer, const int8_t *x, int8_t *y, int32_t *sums) {
    const dwconv2d_zero_@rounding@_layer p = *layer;
    const int32_t c = p.product.channels;
    for (int32_t oy = 0; oy < p.oh; oy++)
        for (int32_t ox = 0; ox < p.ow; ox++, y += c) {
            const int8_t *w = p.product.weights;
            memset(sums, 0, (size_t)c * sizeof *sums);
            for (int32_t ky = 0, iy = oy * p.stride_h - p.top; ky < p.kh; ky++, iy += p.dilation_h)
                for (int32_t kx = 0, ix = ox * p.stride_w - p.left; kx < p.kw; kx++, ix += p.dilation_w, w += c) {
                    if (iy < 0 || iy >= p.h || ix < 0 || ix >= p.w) continue;
                    const int8_t *tap = x + (iy * p.w + ix) * c;
                    for (int32_t j = 0; j < c; j++) sums[j] += (tap[j] - p.x_zero_point) * (w[j] - p.w_zero_point);
                }
            for (int32_t j = 0; j < c; j++) y[j] = finish_@rounding@(&p.product, sums[j], j);
        }
}
