/* x[h][w][c] to y[oh][ow][c]; a line of rows and cols: first line, second line, weight of the second in 1/1024. */
static void tfl_resize_bilinear_@name@(const @type@ *x, @type@ *y, const int32_t *rows, const int32_t *cols, int32_t w, int32_t c, int32_t oh, int32_t ow) {
    for (int32_t oy = 0; oy < oh; oy++, rows += 3)
        for (int32_t ox = 0; ox < ow; ox++)
            for (int32_t i = 0; i < c; i++) {
                const @type@ *top = x + rows[0] * w * c + i, *low = x + rows[1] * w * c + i;
                const int32_t left = cols[3 * ox] * c, right = cols[3 * ox + 1] * c;
                const int64_t fx = cols[3 * ox + 2], fy = rows[2];
                const int64_t acc = (top[left] * (1024 - fx) + top[right] * fx) * (1024 - fy) + (low[left] * (1024 - fx) + low[right] * fx) * fy;
                *y++ = (@type@)((acc + (acc > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
            }
}
