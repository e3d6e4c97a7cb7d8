needs: clamp
typedef struct {
    const @weight@ *weights; /* [oc][kh][kw][c / groups] */
    const @acc@ *bias;
    const @wide@ *multiplier;
    const int16_t *shift;
    int32_t h, w, c, oh, ow, oc, kh, kw, groups;
    int32_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    int32_t x_zero_point, w_zero_point, zero_point, lo, hi;
} direct_@kind@_layer;

/* A convolution as it is defined, with a zero point of inputs and one of weights. */
static void direct_@kind@(const direct_@kind@_layer *layer, const @x@ *x, @y@ *y) {
    const direct_@kind@_layer p = *layer;
    const int32_t depth = p.c / p.groups, outputs = p.oc / p.groups;
    for (int32_t oy = 0; oy < p.oh; oy++)
        for (int32_t ox = 0; ox < p.ow; ox++) {
            const @weight@ *w = p.weights;
            for (int32_t o = 0; o < p.oc; o++) {
                @acc@ acc = p.bias[o];
                for (int32_t ky = 0, iy = oy * p.stride_h - p.top; ky < p.kh; ky++, iy += p.dilation_h)
                    for (int32_t kx = 0, ix = ox * p.stride_w - p.left; kx < p.kw; kx++, ix += p.dilation_w, w += depth) {
                        if (iy < 0 || iy >= p.h || ix < 0 || ix >= p.w) continue;
                        const @x@ *v = x + (iy * p.w + ix) * p.c + o / outputs * depth;
                        for (int32_t i = 0; i < depth; i++) acc += (@acc@)(v[i] - p.x_zero_point) * (w[i] - p.w_zero_point);
                    }
                *y++ = (@y@)@finish@(acc, p.multiplier[o], p.shift[o], p.zero_point, p.lo, p.hi);
            }
        }
}
