#include "elementwise_avx512.h"

#define KERNEL_NAME intq_add_any_avx512vnni
#include "add.inc"
