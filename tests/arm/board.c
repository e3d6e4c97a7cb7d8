/* Start-up of an emulated Cortex-M board, without a C library of its own: output and exit by semihosting, a wrapper that measures one run.
 * Build with -DRUN=<name>_run -DCLOCK_MHZ=<of the board> -Wl,--wrap=<name>_run. Prints the instructions of a run (with -icount shift=0, where
 * one takes a nanosecond) and the stack's high-water mark. */
#include <stdint.h>
#include <string.h>

extern uint32_t stack_top[], stack_limit[], data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(int argc, char **argv);
void reset(void);
static void fault(void);

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};

static int32_t semihost(int32_t operation, const void *argument) {
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(int32_t code) {
    const int32_t block[2] = {0x20026, code}; /* ADP_Stopped_ApplicationExit */
    semihost(0x20, block);
    for (;;) {
    }
}

int puts(const char *text) {
    semihost(0x04, text);
    semihost(0x04, "\n");
    return 0;
}

static void print_number(const char *what, uint32_t value) {
    char text[12];
    int i = 11;
    text[i] = 0;
    do text[--i] = (char)('0' + value % 10);
    while (value /= 10);
    semihost(0x04, what);
    puts(text + i);
}

static void fault(void) {
    puts("fault");
    leave(3);
}

#define SYSTICK ((volatile uint32_t *)0xE000E010)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
int JOIN(__real_, RUN)(const void *const *inputs, void *const *outputs, void *arena);
int JOIN(__wrap_, RUN)(const void *const *inputs, void *const *outputs, void *arena);

int JOIN(__wrap_, RUN)(const void *const *inputs, void *const *outputs, void *arena) {
    uint32_t *const here = __builtin_frame_address(0), *free_word = stack_limit;
    for (uint32_t *p = stack_limit; p < here - 32; p++) *p = 0xC0FFEE11;
    SYSTICK[1] = 0xFFFFFF;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, by the processor's clock */
    const int result = JOIN(__real_, RUN)(inputs, outputs, arena);
    const uint32_t ticks = 0xFFFFFF - SYSTICK[2];
    while (free_word < here && *free_word == 0xC0FFEE11) free_word++;
    print_number("instructions ", ticks * (1000u / CLOCK_MHZ) + ticks / 4 * (CLOCK_MHZ == 32)); /* 31.25 a tick at 32 MHz */
    print_number("stack ", (uint32_t)((char *)here - (char *)free_word));
    return result;
}

void reset(void) {
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the vector registers are on */
    __asm__ volatile("dsb\n isb");
#endif
    memcpy(data_start, data_load, (size_t)((char *)data_end - (char *)data_start));
    memset(bss_start, 0, (size_t)((char *)bss_end - (char *)bss_start));
    leave(main(0, 0));
}
