static inline int32_t shift_left(int32_t v, int32_t by) { return (int32_t)((uint32_t)v << by); }
