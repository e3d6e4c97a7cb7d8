/* A convolution's window, and the inputs of one output pixel as a column: [kh][kw][channels of the group], zero points outside the image. */
typedef struct {
    int32_t h, w, c, oh, ow, kh, kw, groups;
    int32_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    int8_t x_zero_point;
} conv_shape;

static void gather_column(const conv_shape *p, const int8_t *x, int32_t y0, int32_t x0, int32_t group, int8_t *column) {
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

/* `n` columns of `depth` from output pixel `pixel` on. */
static void gather_columns(const conv_shape *p, const int8_t *x, int32_t pixel, int32_t n, int32_t group, int8_t *columns, int32_t depth) {
    int32_t oy = pixel / p->ow, ox = pixel % p->ow;
    for (; n > 0; n--, columns += depth) {
        gather_column(p, x, oy * p->stride_h - p->top, ox * p->stride_w - p->left, group, columns);
        if (++ox == p->ow) ox = 0, oy++;
    }
}
