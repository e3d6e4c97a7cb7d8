#include "elementwise_avx512.h"

#include "avg_pool/window_sum.inc"

#define KERNEL_NAME intq_mean_any_avx512vnni
#include "mean.inc"
