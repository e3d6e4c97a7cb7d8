#define KERNEL_NAME intq_mul_any_neon
#include "mul.inc"
