enum { UNPACKED = 4 };

static void unpack_nibbles(const uint8_t *from, int32_t n, int8_t *to) {
    for (; n > 1; n -= 2, from++, to += 2) {
        to[0] = (int8_t)(((*from & 15) ^ 8) - 8);
        to[1] = (int8_t)(((*from >> 4) ^ 8) - 8);
    }
    if (n) *to = (int8_t)(((*from & 15) ^ 8) - 8);
}
