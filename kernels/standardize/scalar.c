#define KERNEL_NAME intq_standardize_any_scalar
#include "standardize.inc"
