needs: pool
/* The mean of each window, rounded down. */
static void avg_pool16(const pool_shape *p, const int16_t *x, int16_t *y) {
    const int32_t count = p->kh * p->kw;
    for (int32_t oy = 0; oy < p->oh; oy++)
        for (int32_t ox = 0; ox < p->ow; ox++) {
            const window v = window_at(p, oy, ox);
            for (int32_t c = 0; c < p->c; c++) {
                int32_t sum = 0;
                for (int32_t iy = v.y0; iy < v.y1; iy++)
                    for (int32_t ix = v.x0; ix < v.x1; ix++) sum += x[(iy * p->w + ix) * p->c + c];
                *y++ = (int16_t)((sum >= 0 ? sum : sum - (count - 1)) / count);
            }
        }
}
