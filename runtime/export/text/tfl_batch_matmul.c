needs: clamp64 @rescale@
typedef struct {
    int32_t rows, depth, cols, a_row, a_step, b_col, b_step; /* how far rows and elements of a lie apart, columns and elements of b */
    int32_t a_zero_point, b_zero_point, multiplier, shift, zero_point, lo, hi;
} tfl_batch_matmul_@name@_layer;

static void tfl_batch_matmul_@name@(const tfl_batch_matmul_@name@_layer *p, const @a@ *a, const @b@ *b, @a@ *y) {
    for (int32_t i = 0; i < p->rows; i++)
        for (int32_t j = 0; j < p->cols; j++) {
            @acc@ acc = 0;
            for (int32_t k = 0; k < p->depth; k++)
                acc += (@acc@)(a[i * p->a_row + k * p->a_step] - p->a_zero_point) * (b[j * p->b_col + k * p->b_step] - p->b_zero_point);
            *y++ = (@a@)clamp64((int64_t)@rescale@(acc, p->multiplier, p->shift) + p->zero_point, p->lo, p->hi);
        }
}
