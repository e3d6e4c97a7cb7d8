needs: matmul
typedef struct {
    product_@rounding@ product; /* of one group */
    int32_t h, w, c, oh, ow, kh, kw, groups;
    int32_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    int8_t x_zero_point;
} conv2d_@rounding@_layer;

/* The inputs of one output pixel as a column: [kh][kw][channels of the group], zero points outside the image. */
static void gather_@rounding@(const conv2d_@rounding@_layer *p, const int8_t *x, int32_t y0, int32_t x0, int32_t group, int8_t *column) {
    const int32_t n = p->c / p->groups;
    for (int32_t i = 0; i < p->kh; i++) {
        const int32_t iy = y0 + i * p->dilation_h;
        for (int32_t j = 0; j < p->kw; j++, column += n) {
            const int32_t ix = x0 + j * p->dilation_w;
            if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w)
                memset(column, p->x_zero_point, (size_t)n);
            else if (n == p->c && p->dilation_w == 1) { /* neighbours lie together */
                const int32_t run = p->kw - j < p->w - ix ? p->kw - j : p->w - ix;
                memcpy(column, x + (iy * p->w + ix) * n, (size_t)(run * n));
                column += (run - 1) * n;
                j += run - 1;
            } else
                memcpy(column, x + (iy * p->w + ix) * p->c + group * n, (size_t)n);
        }
    }
}

/* x[h][w][c] to y[oh][ow][groups * channels]; `columns` holds four gathered columns. */
static void conv2d_@rounding@(const conv2d_@rounding@_layer *p, const int8_t *x, int8_t *y, int8_t *columns) {
    const int32_t pixels = p->oh * p->ow, channels = p->groups * p->product.channels, depth = p->product.depth;
    for (int32_t group = 0; group < p->groups; group++) {
        product_@rounding@ product = p->product;
        product.weights += group * product.channels * depth;
        product.bias += group * product.channels;
        product.multiplier += group * product.channels;
        product.shift += group * product.channels;
        int32_t oy = 0, ox = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
            const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
            for (int32_t i = 0; i < n; i++) {
                gather_@rounding@(p, x, oy * p->stride_h - p->top, ox * p->stride_w - p->left, group, columns + i * depth);
                if (++ox == p->ow) ox = 0, oy++;
            }
            matmul_@rounding@(&product, columns, n, y + pixel * channels + group * product.channels, channels);
        }
    }
}
