/* decl.h for C: with its types and a guard, which a file that cffi reads cannot have. */
#ifndef INTQ_KERNELS_H
#define INTQ_KERNELS_H
#include <stdint.h>

#include "decl.h"

#include "decl_lowbit.h"
#endif
