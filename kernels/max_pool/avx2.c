#include "elementwise_avx2.h"

#include "window_max.inc"

#define KERNEL_NAME intq_max_pool_any_avx2
#include "max_pool.inc"
