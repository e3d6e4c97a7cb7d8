#define KERNEL_NAME intq_avg_pool_any_scalar
#include "window_sum_plain.h"

#include "avg_pool.inc"
