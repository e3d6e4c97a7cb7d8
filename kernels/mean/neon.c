#include "avg_pool/window_sum_plain.h"

#define KERNEL_NAME intq_mean_any_neon
#include "mean.inc"
