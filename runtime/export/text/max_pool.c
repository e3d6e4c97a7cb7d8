needs: clamp pool
static void max_pool_@name@(const pool_shape *p, const @type@ *x, @type@ *y, int32_t lo, int32_t hi) {
    for (int32_t oy = 0; oy < p->oh; oy++)
        for (int32_t ox = 0; ox < p->ow; ox++) {
            const window v = window_at(p, oy, ox);
            for (int32_t c = 0; c < p->c; c++) {
                int32_t top = INT32_MIN;
                for (int32_t iy = v.y0; iy < v.y1; iy++)
                    for (int32_t ix = v.x0; ix < v.x1; ix++) {
                        const int32_t value = x[(iy * p->w + ix) * p->c + c];
                        if (value > top) top = value;
                    }
                *y++ = (@type@)clamp(top, lo, hi);
            }
        }
}
