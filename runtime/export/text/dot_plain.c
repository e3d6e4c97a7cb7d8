static int32_t dot_plain(const int8_t *a, const int8_t *b, int32_t n, int32_t zero_point) {
    int32_t acc = 0;
    for (int32_t i = 0; i < n; i++) acc += (a[i] - zero_point) * b[i];
    return acc;
}
