#include "avg_pool/window_sum_plain.h"

#define KERNEL_NAME intq_avg_pool_any_neon
#include "avg_pool.inc"
