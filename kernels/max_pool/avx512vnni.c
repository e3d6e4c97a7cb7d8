#include "elementwise_avx512.h"

#include "window_max.inc"

#define KERNEL_NAME intq_max_pool_any_avx512vnni
#include "max_pool.inc"
