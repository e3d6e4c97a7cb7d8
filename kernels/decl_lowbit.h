/* Continues decl.h: parameters of sparse, 4-bit and binary layers. Read by the C compiler and by cffi alike: no preprocessor lines here. */

/* conv2d and dense with pruned weights: the same product over the blocks of 4 along K that are not zero. Block b of panel (or channel) i,
 * first[i] <= b < first[i + 1], starts at byte offset[b] of a left operand (or panel). */
typedef struct {
    intq_conv2d conv;      /* weights, rq, finish, geometry; groups = 1, no weight zero point */
    const int32_t *first;  /* (prepare) */
    const int32_t *offset; /* (prepare) */
    const int8_t *blocks;  /* (prepare) */
    int64_t pixels, lists; /* (prepare) output pixels of a unit; panels of 16 channels, or channels */
    int64_t rows, pitch;   /* (prepare) output rows of a unit that reads rows of the image, `pitch` pixels apart; 0: units are runs of pixels */
    int64_t columns;       /* (prepare) pixels of the rows that a unit's columns are made of; 0: made otherwise, or none */
    int64_t depth, chunks; /* (prepare) this and the next two: pixels16_pack.inc. The lists of the first `depth` of each tap's K, then of the next */
    const int32_t *order, *from, *to;
    int64_t vectors, strips, reach, slots;
    int64_t units, scratch_bytes; /* (prepare) */
} intq_spconv2d;

/* AdderNet convolution: negative L1 distances (SPEC_lowbit.md L5). */
typedef struct {
    intq_conv2d conv;      /* weights, rq, finish, geometry; groups = 1, no weight zero point */
    const uint8_t *packed; /* (prepare) [channel][K padded to 64], the sign bit flipped */
    int64_t units, scratch_bytes; /* (prepare) */
} intq_adder2d;

/* Fully connected with 4-bit codes (SPEC_lowbit.md L4). codes[n][(k + 1) / 2], the first of a pair in the low half; multipliers[n][groups] or
 * NULL. A unit is a panel of 32 channels. Variant linear: 1 or 2 bits a code, a weight is low + step * code, no groups. */
typedef struct {
    const uint8_t *codes, *multipliers;
    const int8_t *codebook;          /* 16 entries */
    const uint8_t *packed;           /* (prepare) [panel][k / 4][16 channels][4]: low halves channels 0..15 of the panel, high halves 16..31 */
    const uint8_t *packed_multipliers; /* (prepare) [panel][group][32] */
    intq_finish_fn *finish;
    intq_requant rq;                 /* rq.bias: (prepare) folds the zero point */
    int32_t *bias;
    int64_t m, n, k, group, groups;
    int32_t x_zero_point, bits, low, step;
    int64_t units, scratch_bytes;    /* (prepare) */
} intq_dense_codes;

/* ----- binary layers (SPEC_lowbit.md); bit rows are padded to whole 64-bit words, a set bit is +1 ----- */

/* Binary convolution. Weights come as w[oc][kh][kw][bytes]. A unit is a block of output pixels and a part of the panels of 32 channels. */
typedef struct {
    const uint8_t *weights;
    const uint8_t *packed;     /* (prepare) panels of 32 channels: [word of 32 bits][channel] */
    const int32_t *init;       /* (prepare) per channel: what a product starts from */
    const int32_t *tap_sums;   /* (prepare) zero padding: [tap][channel], 2^fraction times the sum of the tap's weights */
    intq_finish_fn *finish;    /* s8 */
    intq_requant rq;           /* s8, s16; s16: right is 15 - shift, mult the 15-bit multiplier */
    int32_t *bias;             /* the array behind rq.bias, writable */
    const int32_t *threshold, *flip; /* bits; padded to whole panels */
    const uint8_t *border;     /* one pixel of padding */
    int32_t n, h, w, bytes, channels, oh, ow, oc, y_bytes, kh, kw;
    int32_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, zero_padding, fraction, residual;
    int64_t lda, band, m_blocks, n_blocks, panels, panels_per_block, units, scratch_bytes; /* (prepare) */
} intq_bconv2d;

/* conv2d and dense with few levels on both sides, by bit planes (SPEC_lowbit.md L6): inputs x_low + (x_bits bits), weights w_low + w_step * (w_bits
 * bits). io[0] holds the planes of the inputs as planes_pack leaves them: plane after plane of rows of bits. */
typedef struct {
    intq_bconv2d bits;       /* geometry, finish, rq, bias; bytes is a row of one plane; bits.packed: [panel][plane][word of 32 bits][32 channels] */
    const int8_t *weights;   /* [oc][kh][kw][c] */
    const int64_t *passes;   /* (prepare) bit_pass: the pairs of planes, largest weight first */
    const uint8_t *borders;  /* (prepare) a pixel of padding, plane after plane */
    int32_t x_low, x_bits, w_low, w_step, w_bits, x_zero_point;
    int64_t count, plane, a_plane; /* (prepare) passes; bytes of a plane of the input, and of one in a left operand */
    int64_t units, scratch_bytes;  /* (prepare) */
} intq_planes;

/* Bit m of x - low, to plane m: [n][h][w][bytes]; a unit is one row of w pixels. */
typedef struct {
    int64_t w, c, bytes, plane;
    int32_t low, bits;
} intq_planes_pack;

/* bit c of y = (x[c] >= threshold[c]) != flip[c]; a unit is one row of c elements. */
typedef struct {
    int64_t c, y_bytes;
    const int32_t *threshold, *flip; /* padded to a multiple of 64 */
} intq_bsign;

/* y = clamp(a + b) of int16; a unit is 4096 elements. */
typedef struct {
    int64_t count;
    int32_t lo, hi;
} intq_add16;

/* y = clamp(((x * multiplier + 2^(shift-1)) >> shift) + y_zero_point), int16 to int8; a unit is 4096 elements. */
typedef struct {
    int64_t count;
    int32_t multiplier, shift, y_zero_point, lo, hi;
} intq_rescale16;

/* ----- int16 activations, int8 weights (SPEC 3.8) ----- */

/* The rounding i64_15, an entry per output channel: y = clamp(int32(((sum + bias) * multiplier + 2^(shift-1)) >> shift) + y_zero_point), with
 * multipliers below 2^15. `least` and `most` are the clamp without the zero point. */
typedef struct {
    const int64_t *bias;
    const int32_t *bias32; /* the same where every sum with its bias fits int32; otherwise NULL */
    const int32_t *multiplier, *shift;
    int32_t least, most, zero_point;
} intq_requant16;

/* conv2d. `conv` describes bytes: twice the channels, and the weights widened to int16. No operand has a zero point. */
typedef struct {
    intq_conv2d conv;
    intq_requant16 rq;
    int64_t piece, sums_at;       /* (prepare) bytes of a segment whose sums surely fit int32, 0 where all do; where sums of 64 bits lie in the scratch */
    int64_t units, scratch_bytes; /* (prepare) */
} intq_conv16;

/* Depthwise, one output channel for each input channel, the sums of absolute weights below 2^16. Weights come as w[kh][kw][c]. A unit is one output row. */
typedef struct {
    const int8_t *weights;
    const int16_t *packed; /* (prepare) [taps / 2][c][2], then c zeros */
    intq_requant16 rq;
    int32_t n, h, w, c, oh, ow, oc, kh, kw;
    int32_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int64_t units, scratch_bytes; /* (prepare) */
} intq_dwconv16;
