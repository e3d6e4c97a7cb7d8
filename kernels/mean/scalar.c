#define KERNEL_NAME intq_mean_any_scalar
#include "avg_pool/window_sum_plain.h"

#include "mean.inc"
