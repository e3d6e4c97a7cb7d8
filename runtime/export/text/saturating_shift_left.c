static inline int32_t saturating_shift_left(int32_t v, int32_t by) {
    const int64_t wide = (int64_t)v * (INT64_C(1) << by);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}
