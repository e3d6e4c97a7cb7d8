#include "elementwise_avx2.h"

#define KERNEL_NAME intq_add_any_avx2
#include "add.inc"
