needs: clamp pool
static void max_pool(const pool_shape *p, const int8_t *x, int8_t *y, int32_t lo, int32_t hi) {
    for (int32_t oy = 0; oy < p->oh; oy++)
        for (int32_t ox = 0; ox < p->ow; ox++) {
            const window v = window_at(p, oy, ox);
            for (int32_t c = 0; c < p->c; c++) {
                int32_t top = INT8_MIN;
                for (int32_t iy = v.y0; iy < v.y1; iy++)
                    for (int32_t ix = v.x0; ix < v.x1; ix++) {
                        const int32_t value = x[(iy * p->w + ix) * p->c + c];
                        if (value > top) top = value;
                    }
                *y++ = (int8_t)clamp(top, lo, hi);
            }
        }
}
