#include "elementwise_avx2.h"

#include "window_sum.inc"

#define KERNEL_NAME intq_avg_pool_any_avx2
#include "avg_pool.inc"
