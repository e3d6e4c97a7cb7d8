/* Lengths and strides of the axes that are kept, and of those that are reduced. */
typedef struct {
    int32_t outer[3], outer_stride[3], inner[3], inner_stride[3];
} reduce_shape;

#define EACH_OUTPUT(p) \
    for (int32_t i = 0; i < (p)->outer[0]; i++) \
        for (int32_t j = 0; j < (p)->outer[1]; j++) \
            for (int32_t k = 0; k < (p)->outer[2]; k++)
#define EACH_INPUT(p) \
    for (int32_t l = 0; l < (p)->inner[0]; l++) \
        for (int32_t m = 0; m < (p)->inner[1]; m++) \
            for (int32_t n = 0; n < (p)->inner[2]; n++)
#define START(p) (i * (p)->outer_stride[0] + j * (p)->outer_stride[1] + k * (p)->outer_stride[2])
#define WITHIN(p) (l * (p)->inner_stride[0] + m * (p)->inner_stride[1] + n * (p)->inner_stride[2])
