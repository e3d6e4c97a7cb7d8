/* The kernel table: expands isa.def and kernels.def. Compiled without ISA flags, for it runs before anything is known of the CPU.
 * The build defines IF_<isa>(...) as its argument for every ISA that was compiled, and as nothing for the others. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>

#include "decl.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
/* Linux hands out the tile registers on request only; without permission the first tile instruction would kill the process. */
static int amx_allowed(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return __builtin_cpu_supports("amx-int8") && __builtin_cpu_supports("amx-tile") &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
static inline int amx_allowed(void) { return 0; }
#endif
#define AMX_ALLOWED amx_allowed()
#define X86(feature) (__builtin_cpu_supports(feature) != 0)

#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#define HWCAP(bit) ((getauxval(AT_HWCAP) & (bit)) != 0)
#define HWCAP2(bit) ((getauxval(AT_HWCAP2) & (bit)) != 0)
#endif

/* Declarations of everything in the table. */
#define GEMM(types, isa, mr, nr, kr, ku, flags) IF_##isa(intq_gemm_fn intq_gemm_##types##_##mr##x##nr##x##kr##_##isa;)
#define FINISH(rounding, isa) IF_##isa(intq_finish_fn intq_finish_##rounding##_##isa;)
#define KERNEL(op, variant, isa) IF_##isa(intq_kernel_fn intq_##op##_##variant##_##isa;)
#define PREPARED(op, variant, isa) \
    KERNEL(op, variant, isa) IF_##isa(intq_prepare_fn intq_##op##_##variant##_##isa##_prepare;)
#define NUMBA(op, place)
#include "kernels.def"
#undef GEMM
#undef FINISH
#undef KERNEL
#undef PREPARED

#define TEXT(x) #x
#define GEMM(types, isa, mr, nr, kr, ku, flags)                                                                                   \
    IF_##isa({"gemm", #types, #isa, TEXT(gemm_##types##_##mr##x##nr##x##kr##_##isa), mr, nr, kr, ku, flags,                      \
              (void *)intq_gemm_##types##_##mr##x##nr##x##kr##_##isa, NULL},)
#define FINISH(rounding, isa) \
    IF_##isa({"finish", #rounding, #isa, TEXT(finish_##rounding##_##isa), 0, 0, 0, 0, 0, (void *)intq_finish_##rounding##_##isa, NULL},)
#define KERNEL(op, variant, isa) \
    IF_##isa({#op, #variant, #isa, TEXT(op##_##variant##_##isa), 0, 0, 0, 0, 0, (void *)intq_##op##_##variant##_##isa, NULL},)
#define PREPARED(op, variant, isa)                                                                                   \
    IF_##isa({#op, #variant, #isa, TEXT(op##_##variant##_##isa), 0, 0, 0, 0, 0, (void *)intq_##op##_##variant##_##isa, \
              intq_##op##_##variant##_##isa##_prepare},)
static const intq_row rows[] = {
#include "kernels.def"
};

int32_t intq_rows(const intq_row **out) {
    *out = rows;
    return (int32_t)(sizeof rows / sizeof *rows);
}

int32_t intq_isas(const intq_isa **out) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    static intq_isa list[] = {
#define ISA(name, arch, flags, test, implies) IF_##name({#name, implies, 0},)
#include "isa.def"
#undef ISA
    };
    int32_t i = 0;
#define ISA(name, arch, flags, test, implies) IF_##name(list[i++].available = (test);)
#include "isa.def"
#undef ISA
    *out = list;
    return i;
}
