/* The first position of the extremum along an axis: x[outer][length][inner]. */
static void tfl_arg_@name@(const @type@ *x, @y@ *y, int32_t outer, int32_t length, int32_t inner) {
    for (int32_t i = 0; i < outer; i++, x += length * inner)
        for (int32_t j = 0; j < inner; j++) {
            int32_t best = 0;
            for (int32_t k = 1; k < length; k++)
                if (x[k * inner + j] @compare@ x[best * inner + j]) best = k;
            *y++ = best;
        }
}
