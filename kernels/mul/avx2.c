#define KERNEL_NAME intq_mul_any_avx2
#include "mul.inc"
