/* avg_pool16 (SPEC_lowbit.md L3.2): a unit is one output row. */
#include "avg_pool16/avg_pool16.inc"

AVG_POOL16(scalar)
