needs: matmul nibbles
/* matmul of weights with four bits: two to a byte, the low half first, each row of weights from a byte of its own on. A few rows at a time
 * become bytes in `unpacked`, which takes UNPACKED rows. */
static void matmul_nibbles_@rounding@(const product_@rounding@ *layer, const int8_t *a, int32_t rows, int8_t *y, int32_t ldy, int8_t *unpacked) {
    product_@rounding@ part = *layer;
    const uint8_t *weights = (const uint8_t *)layer->weights;
    const int32_t k = layer->depth;
    part.weights = unpacked;
    for (int32_t j = 0; j < layer->channels; j += UNPACKED, y += UNPACKED) {
        part.channels = layer->channels - j < UNPACKED ? layer->channels - j : UNPACKED;
        for (int32_t i = 0; i < part.channels; i++, weights += (k + 1) / 2) unpack_nibbles(weights, k, unpacked + i * k);
        matmul_@rounding@(&part, a, rows, y, ldy);
        part.bias += UNPACKED;
        part.multiplier += UNPACKED;
        part.shift += UNPACKED;
    }
}
