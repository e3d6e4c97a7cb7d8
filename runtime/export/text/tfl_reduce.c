needs: reduce_shape
static void tfl_reduce_@name@(const reduce_shape *p, const @type@ *x, @type@ *y) {
    EACH_OUTPUT(p) {
        const @type@ *from = x + START(p);
        @type@ best = *from;
        EACH_INPUT(p) if (from[WITHIN(p)] @compare@ best) best = from[WITHIN(p)];
        *y++ = best;
    }
}
