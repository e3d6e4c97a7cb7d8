#define KERNEL_NAME intq_softmax_any_scalar
#include "softmax.inc"
