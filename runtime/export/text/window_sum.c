needs: pool
static inline int32_t window_sum_@name@(const pool_shape *p, const window *v, const @type@ *x) {
    int32_t sum = 0;
    for (int32_t y = v->y0; y < v->y1; y++)
        for (int32_t i = v->x0; i < v->x1; i++) sum += x[(y * p->w + i) * p->c];
    return sum;
}
