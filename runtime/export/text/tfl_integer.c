/* n results without any scale; a step of 0 repeats an operand. */
static void @name@(const @type@ *a, int32_t step_a, const @type@ *b, int32_t step_b, @type@ *y, int32_t n) {
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b) y[i] = (@type@)(@value@);
}
