needs: binary_sum
/* y: a row of y_bytes per pixel; its bit o says (sum >= threshold[o]) != flip[o]. */
static void bconv2d_bits(const binary_shape *p, const int32_t *threshold, const uint8_t *flip, const uint8_t *x, uint8_t *y, int32_t y_bytes,
                         uint8_t *column) {
    for (int32_t oy = 0; oy < p->oh; oy++)
        for (int32_t ox = 0; ox < p->ow; ox++, y += y_bytes) {
            const int whole = binary_column(p, x, oy, ox, column);
            memset(y, 0, (size_t)y_bytes);
            for (int32_t o = 0; o < p->oc; o++) {
                const int32_t sum = whole ? column_sum(p, column, o) : binary_sum(p, x, oy, ox, o);
                if ((sum >= threshold[o]) != flip[o]) y[o / 8] = (uint8_t)(y[o / 8] | 1 << (o % 8));
            }
        }
}
