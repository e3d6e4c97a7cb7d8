#include "elementwise_avx2.h"

#include "avg_pool/window_sum.inc"

#define KERNEL_NAME intq_mean_any_avx2
#include "mean.inc"
