static inline int32_t largest(const int8_t *x, int32_t n) {
    int32_t top = x[0];
    for (int32_t i = 1; i < n; i++)
        if (x[i] > top) top = x[i];
    return top;
}
