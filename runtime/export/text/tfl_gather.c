/* Of each of outer * batch runs of `length` elements of `size` bytes those at the positions `index`, of which a batch has its own. */
static void tfl_gather(const void *from, const int32_t *index, void *to, int32_t batch, int32_t outer, int32_t length, int32_t count, size_t size) {
    const uint8_t *x = from;
    uint8_t *y = to;
    for (int32_t i = 0; i < batch; i++, index += count)
        for (int32_t j = 0; j < outer; j++, x += (size_t)length * size)
            for (int32_t k = 0; k < count; k++, y += size) {
                const int32_t at = index[k] < 0 ? 0 : index[k] >= length ? length - 1 : index[k];
                memcpy(y, x + (size_t)at * size, size);
            }
}
