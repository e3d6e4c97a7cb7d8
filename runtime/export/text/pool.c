typedef struct {
    int32_t h, w, c, oh, ow, kh, kw, stride_h, stride_w, top, left;
} pool_shape;

/* The part of a window that lies inside the image: rows y0 .. y1, columns x0 .. x1, ends excluded. */
typedef struct {
    int32_t y0, y1, x0, x1;
} window;

static inline window window_at(const pool_shape *p, int32_t oy, int32_t ox) {
    window v = {oy * p->stride_h - p->top, 0, ox * p->stride_w - p->left, 0};
    v.y1 = v.y0 + p->kh < p->h ? v.y0 + p->kh : p->h;
    v.x1 = v.x0 + p->kw < p->w ? v.x0 + p->kw : p->w;
    if (v.y0 < 0) v.y0 = 0;
    if (v.x0 < 0) v.x0 = 0;
    return v;
}
