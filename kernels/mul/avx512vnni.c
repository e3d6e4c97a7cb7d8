#define KERNEL_NAME intq_mul_any_avx512vnni
#include "mul.inc"
