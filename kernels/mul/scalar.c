#define KERNEL_NAME intq_mul_any_scalar
#include "mul.inc"
