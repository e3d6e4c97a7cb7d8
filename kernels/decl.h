/* Pure declarations, read by the C compiler and by cffi alike: no preprocessor lines here.
 *
 * Words used everywhere: m n k sizes of a product; a left operand (activations), b right operand (weights), acc int32 accumulators;
 * zp zero point; lo hi the clamp of the output; ld* a stride in elements. Activations are NHWC int8.
 * A kernel works on units [begin, end) of a step; what a unit is (a block of rows, a run of elements) is the kernel's own matter and
 * never changes the result. Every buffer that a kernel reads has INTQ_SLACK readable bytes behind it. */

enum { INTQ_MAX_IO = 8, INTQ_MAX_DIMS = 6, INTQ_SLACK = 128, INTQ_PAD_CHANNELS = 64 };

/* Flags of a row. */
enum {
    INTQ_NO_MIN_WEIGHT = 1, /* needs weights in [-127, 127] */
    INTQ_UNSIGNED_A = 2,    /* wants its left operand as uint8 = int8 + 128; packing folds the correction into the bias */
    INTQ_ROW_OF_PANELS = 4, /* of one row (m == 1), n may run over as many panels as follow one another */
    INTQ_PANELS = 16,       /* the same of any m: a panel's accumulators lie behind those of the panel before */
    INTQ_NARROW_PANELS = 8  /* a panel of fewer columns takes their number rounded up to 16 instead of nr, in weights and accumulators */
};

/* How accumulators become outputs (SPEC 3), with one entry per channel, padded with zeros to a multiple of INTQ_PAD_CHANNELS channels. */
typedef struct {
    const int32_t *bias;  /* everything to add to acc: bias, zero points, packing corrections, q15's rounding constant */
    const int32_t *mult;  /* M */
    const int32_t *left;  /* left shift; q15: before the shift right, 0 where right > 0 */
    const int32_t *right; /* right shift; q31_single: the total s = 31 - shift; q31_double: max(-shift, 0) */
    int32_t zero_point, lo, hi;
    int32_t any_left; /* some channel shifts left */
} intq_requant;

/* gemm row: acc[i*nr + j] (of a row that takes INTQ_NARROW_PANELS: nr is n rounded up to 16) = init[j] + sum over segments s and k of a[i*lda + seg_offset[s] + k] * b[s][k/kr][j][k%kr], for i < m, j < nr;
 * init NULL means zeros. Each segment's k is padded with zero weights to a multiple of the row's ku; a may be read up to that multiple.
 * Only n <= nr columns are wanted: the others may be left unwritten. */
typedef void intq_gemm_fn(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                          const int8_t *b, const int32_t *init, int32_t *acc);
/* finish row: out[i*ldo + j] = requantize(acc[i*ldacc + j], channel0 + j) for i < m, j < n; writes nothing else.
 * rq->bias == NULL: the accumulators hold it already. */
typedef void intq_finish_fn(int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq, int64_t channel0, int8_t *out,
                            int64_t ldo);

/* Any other row: units [begin, end) of one step. io holds the inputs, then the outputs. */
typedef void intq_kernel_fn(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch);
/* Packs weights: with packed == NULL returns the bytes wanted; else writes them, stores the pointer in params, returns the same number.
 * Also sets the fields of params marked (prepare). */
typedef int64_t intq_prepare_fn(void *params, uint8_t *packed);

/* One step of a plan: one call of a kernel. */
typedef struct {
    intq_kernel_fn *fn;
    const void *params;
    void *io[INTQ_MAX_IO];
    int64_t units;     /* how many units there are */
    int64_t min_units; /* fewer units than this are not worth another thread */
} intq_step;

/* One row of the kernel table, as table.c exports it. */
typedef struct {
    const char *op, *variant, *isa, *name;
    int32_t mr, nr, kr, ku; /* gemm rows only */
    int32_t flags;
    void *fn;
    intq_prepare_fn *prepare;
} intq_row;

typedef struct {
    const char *name;
    const char *implies; /* the next weaker ISA, "" for the last */
    int32_t available;   /* the CPU and the operating system have it */
} intq_isa;

int32_t intq_rows(const intq_row **rows);
int32_t intq_isas(const intq_isa **isas);

/* ----- parameters of the ops; the fields carry the names of the attributes ----- */

/* conv2d and dense (h = w = 1, n = rows). Weights come as w[oc][kh][kw][c / groups]. */
typedef struct {
    const int8_t *weights; /* as in the file */
    const int8_t *packed;  /* (prepare) */
    intq_gemm_fn *gemm;
    intq_finish_fn *finish;
    intq_requant rq; /* rq.bias: (prepare) folds -x_zp * sum(w), and -128 * sum(w) for unsigned rows, into what it finds */
    int32_t *bias;   /* the array behind rq.bias, writable */
    int32_t nr, kr, ku, flags; /* of the gemm row */
    int32_t n, h, w, c, oh, ow, oc, kh, kw, groups;
    int32_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int32_t x_zero_point, w_zero_point;
    int32_t threads; /* that will share the units: the loop structure may depend on it, the result does not */
    int64_t y_stride; /* bytes from one output pixel to the next: (prepare) oc, more where the output is a part of a concatenation */
    /* (prepare) the loop structure, chosen from the shape: kernels/conv2d/conv2d.h */
    const int64_t *seg_offset; /* of each segment of a product, in bytes from the left operand of the output pixel */
    int64_t segs, seg_k, lda;
    int32_t mode;              /* intq_conv_mode */
    int32_t band;              /* output rows (band mode) or output pixels (other modes) in one m-block */
    int32_t chunk;             /* rows of one product: its accumulators stay in the L1 cache */
    int32_t row_pixels;        /* band mode: pixels from one output row to the next in the padded band */
    int64_t plane_rows;        /* band mode: rows of one vertical phase of the band */
    int64_t a_bytes;           /* scratch for the left operand */
    int64_t group_channels, panels, panel_bytes; /* of one group: output channels, panels of nr of them, bytes of one packed */
    int64_t m_blocks, n_blocks, panels_per_block;
    int64_t units, scratch_bytes; /* units = m_blocks * groups * n_blocks, n fastest */
    /* a residual added to the finished block while it is in cache: intq_add of (this output, residual), or NULL. io then is x, residual, y */
    const void *residual;
    intq_kernel_fn *residual_add;
} intq_conv2d;

/* Depthwise. Weights come as w[kh][kw][oc], oc = c * multiplier. */
typedef struct {
    const int8_t *weights;
    const int8_t *packed; /* (prepare) */
    intq_finish_fn *finish;
    intq_requant rq; /* rq.bias: (prepare) folds the zero point corrections, as in conv2d */
    int32_t *bias;
    int32_t n, h, w, c, oh, ow, oc, kh, kw, multiplier;
    int32_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int32_t x_zero_point, w_zero_point;
    int64_t units, scratch_bytes; /* (prepare) */
} intq_dwconv2d;

/* Shapes of an elementwise op on two inputs, dimensions right-aligned, strides 0 where broadcast; dims[5] is innermost. A unit is one
 * innermost run. */
typedef struct {
    int64_t dims[INTQ_MAX_DIMS];
    int64_t stride_a[INTQ_MAX_DIMS], stride_b[INTQ_MAX_DIMS];
} intq_broadcast;

/* q = clamp(((m1 * (a - a_zero_point) + m2 * (b - b_zero_point) + 2^(shift-1)) >> shift) + y_zero_point, lo, hi) */
typedef struct {
    intq_broadcast shape;
    int32_t m1, m2, shift, a_zero_point, b_zero_point, y_zero_point, lo, hi;
} intq_add;

/* acc = (a - a_zero_point) * (b - b_zero_point), then finish with one set of parameters (64 copies of it). */
typedef struct {
    intq_broadcast shape;
    intq_finish_fn *finish;
    intq_requant rq;
    int32_t a_zero_point, b_zero_point;
} intq_mul;

/* avg_pool: requantization parameters per divisor. A unit is one output row. rqs[d] belongs to divisors[d] elements in the window;
 * each has 64 equal entries. max_pool uses the shape and lo, hi only. */
typedef struct {
    int32_t n, h, w, c, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left;
    int32_t x_zero_point, lo, hi, count_include_pad;
    const intq_requant *rqs;
    const int32_t *divisors;
    int32_t n_divisors;
    intq_finish_fn *finish;
} intq_pool;

/* mean over the middle axis of [outer, reduce, inner]; unit = one outer index. */
typedef struct {
    int64_t outer, reduce, inner;
    int32_t x_zero_point;
    intq_requant rq;
    intq_finish_fn *finish;
} intq_mean;

/* Standardization over the middle axis of [outer, reduce, inner]; unit = one of the outer * inner columns. */
typedef struct {
    int64_t reduce, inner, epsilon;
    int32_t multiplier, shift, zero_point, lo, hi;
} intq_standardize;

/* Strided copy of elements: y[y_offset + sum i_d * y_stride_d] = x[x_offset + sum i_d * x_stride_d], dims right-aligned; element size
 * 1, 2 or 4 bytes, offsets and strides in elements. A unit is one innermost run. concat, slice, transpose, pad, tile are copies. */
typedef struct {
    int64_t dims[INTQ_MAX_DIMS], x_stride[INTQ_MAX_DIMS], y_stride[INTQ_MAX_DIMS];
    int64_t x_offset, y_offset;
    int32_t element_size;
} intq_copy;

/* y[0 .. count) = value, of element_size bytes; one unit is 4096 elements. */
typedef struct {
    int64_t count;
    int32_t value, element_size;
} intq_fill;

/* y[o][i][:] = x[o][index[i]][:] with runs of inner_bytes; unit = one (o, i). */
typedef struct {
    int64_t outer, n_index, x_axis, inner_bytes;
    const int32_t *index;
} intq_gather;

/* y[i] = table[(uint8) x[i]]; a unit is 4096 elements. */
typedef struct {
    int64_t count;
    const uint8_t *table;
} intq_lut8;

/* y[r][c] = table[which[c]][(uint8) x[r][c]] (SPEC 7.3); a unit is 64 rows. */
typedef struct {
    int64_t rows;
    int32_t channels;
    const int32_t *which;
    const uint8_t *tables;
} intq_lut8_channels;

/* Softmax over rows of `cols` (SPEC 7). A unit is one row. */
typedef struct {
    int64_t rows, cols;
    int32_t bits;
    const int32_t *table;
} intq_softmax;

/* ----- imported TensorFlow Lite ops (SPEC_tflite.md); x_size and y_size are bytes of an element ----- */

typedef struct {
    int64_t count;
    int32_t x_size, y_size;
    const uint8_t *table;
} intq_tfl_lut;

typedef struct {
    int64_t count;
    int32_t x_size, y_size, multiplier, shift, x_zero_point, y_zero_point, lo, hi;
} intq_tfl_rescale;

/* Two inputs, broadcast; a unit is one innermost run. m1 s1 and m2 s2 scale the operands, multiplier and shift the result. */
typedef struct {
    intq_broadcast shape;
    int32_t left, m1, s1, m2, s2, multiplier, shift, sign, kind, lo, hi, a_zero_point, b_zero_point, y_zero_point;
} intq_tfl_binary;

/* x_zero_point holds what is added to the raw integers. A unit is one output row. */
typedef struct {
    int32_t n, h, w, c, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left, x_zero_point, lo, hi;
} intq_tfl_pool;

/* rounding: 0 i64_15, 1 q31_double, 2 float64. A unit is one output row. */
typedef struct {
    int32_t n, h, w, c, oh, ow, oc, kh, kw, groups, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int32_t w_size, rounding, x_zero_point, w_zero_point, y_zero_point, lo, hi;
    const uint8_t *weights;
    const int64_t *bias, *multiplier;
    const int32_t *shift;
} intq_tfl_conv2d;

/* Kept axes, then reduced ones, right-aligned with their input strides. A unit is one output. */
typedef struct {
    int64_t outer_dims[INTQ_MAX_DIMS], outer_strides[INTQ_MAX_DIMS], inner_dims[INTQ_MAX_DIMS], inner_strides[INTQ_MAX_DIMS];
    int32_t multiplier, shift, as_bytes, kind, lo, hi, x_zero_point, y_zero_point;
} intq_tfl_reduce;

/* The extremum along the middle axis of [outer, length, inner]; a unit is one output. */
typedef struct {
    int64_t length, inner;
    int32_t kind;
} intq_tfl_arg;

/* Ops over rows of cols elements; a unit is one row. */
typedef struct {
    int64_t cols;
    const int32_t *table, *second;
    const int16_t *table16, *second16;
    int32_t radius, multiplier, shift, x_zero_point, early;
} intq_tfl_rows;

/* rows[oh][3], cols[ow][3]: first line, second line, weight of the second. A unit is one output row. */
typedef struct {
    int64_t n, h, w, c, oh, ow;
    const int32_t *rows, *cols;
} intq_tfl_resize;

/* Products of matrices; a unit is one row of the output. */
typedef struct {
    int64_t rows, depth, cols, batch[4], stride_a[4], stride_b[4];
    int32_t adj_a, adj_b, b_size, multiplier, shift, lo, hi, a_zero_point, b_zero_point, y_zero_point;
} intq_tfl_matmul;

/* io: x, state, y, next state. A unit is one sample. */
typedef struct {
    int64_t batch, inputs, filters, memory;
    int32_t rank, m1, s1, m2, s2, x_zero_point, y_zero_point;
    const int8_t *feature;
    const int16_t *time;
    const int32_t *bias;
} intq_tfl_svdf;

/* io: x, h, cell, y, next h, next cell. Arrays of gates in the order input, forget, cell, output. A unit is one sample. */
typedef struct {
    int64_t steps, batch, inputs, cells, outputs;
    int32_t time_major, cifg, use_peephole, use_norm, use_projection, cell_shift, cell_clip, output_clip;
    int32_t hidden_multiplier, hidden_shift, hidden_zero_point, projection_multiplier, projection_shift, y_zero_point;
    const int8_t *w, *r, *projection;
    const int32_t *w_bias, *r_bias, *scales, *norm_bias, *projection_bias;
    const int16_t *peephole, *norm, *sigmoid, *tanh3, *tanh_cell;
} intq_tfl_lstm;

/* y[b][o][i] = x[b][o][index[b][i]] with runs of inner_bytes; unit = one (b, o). */
typedef struct {
    int64_t outer, axis, count, inner_bytes;
} intq_tfl_gather;

/* ----- execution (runtime/run.c, runtime/pool.c) ----- */

typedef struct intq_pool_s intq_threads;
intq_threads *intq_threads_new(int32_t threads);
void intq_threads_free(intq_threads *t);

/* Runs the steps in order. scratch holds threads * scratch_bytes. ns, if not NULL, receives the time of each step. */
void intq_run(const intq_step *steps, int32_t n_steps, intq_threads *t, uint8_t *scratch, int64_t scratch_bytes, int64_t *ns);

/* ----- the edge (kernels/edge), the one place with floats ----- */

/* Source floats, walked by dims and x_stride (elements, right-aligned) in storage order, to dense integers. A unit is one plane of the two
 * inner axes; scratch[0] becomes 1 where a NaN is met. */
typedef struct {
    int64_t dims[INTQ_MAX_DIMS], x_stride[INTQ_MAX_DIMS];
    float inverse_scale;
    int32_t zero_point, lo, hi, element_size;
} intq_quantize;

/* The other way round: integers walked by dims and q_stride to dense floats. */
typedef struct {
    int64_t dims[INTQ_MAX_DIMS], q_stride[INTQ_MAX_DIMS];
    float scale;
    int32_t zero_point, element_size, is_signed;
} intq_dequantize;
