/* What Cython cannot say: prefetch, byte order, atomics, arithmetic with what it loses, the floating-point environment,
   processor features, and threads that live for one call. */
#ifndef FASTFINITE_NATIVE_H
#define FASTFINITE_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__)
#error "fastfinite computes exact sums and tests for nan: build it without -ffast-math"
#endif
#if defined(_MSC_VER) && !defined(__clang__)
#pragma fp_contract(off)
#endif
#if defined(__i386__) && !defined(__SSE2_MATH__)
#error "fastfinite needs float64 arithmetic without excess precision: build it with -msse2 -mfpmath=sse"
#endif

/* Deviations between these have squares that are normal numbers, and so is their sum over 2**53 rows. */
#define FF_HUGE 0x1p480
#define FF_TINY 0x1p-480

#if defined(__clang__)
#define FF_COMPILER __VERSION__
#elif defined(__GNUC__)
#define FF_COMPILER "GCC " __VERSION__
#else
#define FF_COMPILER "MSVC"
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ff_prefetch(address) __builtin_prefetch(address)
#define ff_prefetch_second(address) __builtin_prefetch(address, 0, 2)
#define ff_prefetch_write(address) __builtin_prefetch(address, 1)
#define ff_swap16 __builtin_bswap16
#define ff_swap32 __builtin_bswap32
#define ff_swap64 __builtin_bswap64
#define ff_load_flag(flag) __atomic_load_n(flag, __ATOMIC_ACQUIRE)
#define ff_raise_flag(flag) __atomic_store_n(flag, 1, __ATOMIC_RELEASE)
#else
#include <intrin.h>
#include <stdlib.h>
#if defined(_M_X64)
#define ff_prefetch(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#define ff_prefetch_second(address) _mm_prefetch((const char *)(address), _MM_HINT_T1)
#define ff_prefetch_write(address) ff_prefetch(address)
#else
#define ff_prefetch(address) ((void)(address))
#define ff_prefetch_second(address) ((void)(address))
#define ff_prefetch_write(address) ((void)(address))
#endif
#define ff_swap16 _byteswap_ushort
#define ff_swap32 _byteswap_ulong
#define ff_swap64 _byteswap_uint64
#define ff_load_flag(flag) ((int)_InterlockedOr((volatile long *)(flag), 0))
#define ff_raise_flag(flag) ((void)_InterlockedExchange((volatile long *)(flag), 1))
#endif

/* One rounding where the level has the instruction; without it a call of the library's fma would cost 50 times as much
   (and the error of a product comes from halves, Dekker 1971). */
#if defined(__FMA__) || defined(__aarch64__) || defined(_M_ARM64) || defined(__FP_FAST_FMA) || \
    (defined(_MSC_VER) && defined(__AVX2__))
#define FF_HAS_FMA 1
#else
#define FF_HAS_FMA 0
#endif
#if FF_HAS_FMA
#include <math.h>
#define ff_fma(a, b, c) fma(a, b, c)
#define ff_fma32(a, b, c) fmaf(a, b, c)
#define ff_product_error(a, b, product) fma(a, b, -(product))
#else
#define ff_fma(a, b, c) ((a) * (b) + (c))
#define ff_fma32(a, b, c) ((a) * (b) + (c))
static inline double ff_product_error(double a, double b, double product)
{
    double t = 134217729.0 * a, a1 = t - (t - a), a2 = a - a1;
    double u = 134217729.0 * b, b1 = u - (u - b), b2 = b - b1;
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
}
#endif

/* numerator - quotient * divisor, rounded once: what a rounded division left over. */
#if FF_HAS_FMA
#define ff_left_over(numerator, quotient, divisor) fma(-(quotient), divisor, numerator)
#else
static inline double ff_left_over(double numerator, double quotient, double divisor)
{
    double product = quotient * divisor;
    return (numerator - product) - ff_product_error(quotient, divisor, product);
}
#endif

/* What a sum and a difference lost (Knuth's two-sum), whatever the order of sizes; of a difference that is not finite,
   0. */
static inline double ff_sum_rest(double a, double b, double sum)
{
    double part = sum - a;
    return (a - (sum - part)) + (b - part);
}
static inline double ff_difference_rest(double a, double b, double difference)
{
    double rest = ff_sum_rest(a, -b, difference);
    return difference - difference == 0 ? rest : 0;
}

static inline uint64_t ff_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline double ff_double(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
/* A constant that the compiler does not see: a comparison with one that it sees is turned around, and then is no longer
   the minimum or maximum that lets nan through in one instruction. */
static inline double ff_opaque(double x)
{
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
    __asm__("" : "+x"(x));
#endif
    return x;
}

/* The exponent in the upper 12 bits as a number: a shift with sign and a conversion, where vectors have them. */
static inline double ff_exponent(uint64_t bits)
{
#if defined(__AVX512DQ__) || defined(__aarch64__)
    return (double)((int64_t)bits >> 52);
#else
    return ff_double(0x4330000000000000u | (bits + 0x4000000000000000u) >> 52) - (0x1p52 + 1024.0);
#endif
}
static inline uint32_t ff_bits32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float ff_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The floating-point environment of a computation: subnormals kept, rounding to nearest, no trap; and the caller's
   environment, its exception flags too, given back afterwards. */
#if defined(__GNUC__) || defined(__clang__)
#define ff_barrier() __asm__ volatile("" : : : "memory")
#else
#define ff_barrier() _ReadWriteBarrier()
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
typedef unsigned int ff_environment;
static inline void ff_enter_environment(ff_environment *saved)
{
    *saved = _mm_getcsr();
    _mm_setcsr(0x1f80);
    ff_barrier();       /* what is read and written between the two is computed between them */
}
static inline void ff_leave_environment(const ff_environment *saved)
{
    ff_barrier();
    _mm_setcsr(*saved);
}
#elif defined(__aarch64__) && defined(__GNUC__)
typedef struct {
    uint64_t control, status;
} ff_environment;
static inline void ff_enter_environment(ff_environment *saved)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved->control));
    __asm__ volatile("mrs %0, fpsr" : "=r"(saved->status));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
}
static inline void ff_leave_environment(const ff_environment *saved)
{
    __asm__ volatile("msr fpsr, %0" : : "r"(saved->status));
    __asm__ volatile("msr fpcr, %0" : : "r"(saved->control));
}
#else
#include <fenv.h>
typedef fenv_t ff_environment;
static inline void ff_enter_environment(ff_environment *saved)
{
    fegetenv(saved);
    fesetenv(FE_DFL_ENV);
}
static inline void ff_leave_environment(const ff_environment *saved) { fesetenv(saved); }
#endif

static inline void ff_swap_bytes(void *data, ptrdiff_t n, int width)
{
    ptrdiff_t i;
    if (width == 2)
        for (i = 0; i < n; i++) ((uint16_t *)data)[i] = ff_swap16(((uint16_t *)data)[i]);
    else if (width == 4)
        for (i = 0; i < n; i++) ((uint32_t *)data)[i] = ff_swap32(((uint32_t *)data)[i]);
    else if (width == 8)
        for (i = 0; i < n; i++) ((uint64_t *)data)[i] = ff_swap64(((uint64_t *)data)[i]);
}

/* The x86-64 level that processor and operating system support: 1 to 4, or 0 where the notion does not apply.
   A feature that the processor has and the system does not save across switches (XCR0) does not count. */
#if defined(__x86_64__) || defined(_M_X64)
#if defined(_MSC_VER) && !defined(__clang__)
static inline void ff_cpuid(int leaf, int subleaf, unsigned r[4]) { __cpuidex((int *)r, leaf, subleaf); }
static inline uint64_t ff_xcr0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static inline void ff_cpuid(int leaf, int subleaf, unsigned r[4])
{
    if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) r[0] = r[1] = r[2] = r[3] = 0;
}
static inline uint64_t ff_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}
#endif
#define FF_HAS(word, mask) (((word) & (mask)) == (mask))
static inline int ff_x86_level(void)
{
    unsigned one[4], seven[4], extended[4];
    uint64_t saved;
    ff_cpuid(1, 0, one);
    ff_cpuid(7, 0, seven);
    ff_cpuid((int)0x80000001u, 0, extended);
    /* SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF */
    if (!FF_HAS(one[2], 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23) || !FF_HAS(extended[2], 1u))
        return 1;
    /* FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT */
    if (!FF_HAS(one[2], 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29) ||
        !FF_HAS(seven[1], 1u << 3 | 1u << 5 | 1u << 8) || !FF_HAS(extended[2], 1u << 5))
        return 2;
    saved = ff_xcr0();
    if (!FF_HAS(saved, 0x6u)) return 2;
    /* AVX512F, DQ, CD, BW, VL */
    if (!FF_HAS(seven[1], 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) || !FF_HAS(saved, 0xe6u)) return 3;
    return 4;
}
#else
static inline int ff_x86_level(void) { return 0; }
#endif

/* Runs work(args), work(args + size), ... count times: one on a thread each, the first on the caller's, and
   returns when all have ended. What no thread could be started for is done by the caller. */
#define FF_MAX_THREADS 256
typedef void (*ff_work)(void *);
typedef struct {
    ff_work work;
    void *argument;
} ff_task;

#if defined(_WIN32)
#include <process.h>
#include <windows.h>
typedef HANDLE ff_thread;
static unsigned __stdcall ff_enter(void *task)
{
    ((ff_task *)task)->work(((ff_task *)task)->argument);
    return 0;
}
static inline int ff_start(ff_thread *thread, ff_task *task)
{
    return (*thread = (HANDLE)_beginthreadex(NULL, 0, ff_enter, task, 0, NULL)) != 0;
}
static inline void ff_join(ff_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}
#else
#include <pthread.h>
typedef pthread_t ff_thread;
static void *ff_enter(void *task)
{
    ((ff_task *)task)->work(((ff_task *)task)->argument);
    return NULL;
}
static inline int ff_start(ff_thread *thread, ff_task *task)
{
    return pthread_create(thread, NULL, ff_enter, task) == 0;
}
static inline void ff_join(ff_thread thread) { pthread_join(thread, NULL); }
#endif

static inline void ff_run_parallel(ff_work work, void *args, size_t size, int count)
{
    ff_thread threads[FF_MAX_THREADS];
    ff_task tasks[FF_MAX_THREADS];
    int i, started[FF_MAX_THREADS];
    for (i = 1; i < count; i++) {
        tasks[i].work = work;
        tasks[i].argument = (char *)args + (size_t)i * size;
        started[i] = ff_start(&threads[i], &tasks[i]);
    }
    work(args);
    for (i = 1; i < count; i++) {
        if (started[i]) ff_join(threads[i]);
        else work(tasks[i].argument);
    }
}

#endif
