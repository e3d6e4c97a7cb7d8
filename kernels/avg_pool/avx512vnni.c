#include "elementwise_avx512.h"

#include "window_sum.inc"

#define KERNEL_NAME intq_avg_pool_any_avx512vnni
#include "avg_pool.inc"
