static inline int32_t row_sum(const int8_t *a, int32_t k) {
    int32_t sum = 0;
    for (int32_t i = 0; i < k; i++) sum += a[i];
    return sum;
}
