"""What the glue uses of _native.h."""

from libc.stdint cimport uint64_t

cdef extern from "_native.h" nogil:
    void ff_prefetch(const void*)
    void ff_prefetch_write(const void*)
    void ff_swap_bytes(void* data, Py_ssize_t n, int width)
    double ff_sum_rest(double a, double b, double sum)
    double ff_difference_rest(double a, double b, double difference)
    ctypedef struct ff_environment:
        pass
    void ff_enter_environment(ff_environment*)
    void ff_leave_environment(const ff_environment*)
    double FF_HUGE
    double FF_TINY
    int ff_load_flag(int*)
    void ff_raise_flag(int*)
    int ff_x86_level()
    const char* FF_COMPILER
    int FF_MAX_THREADS
    ctypedef void (*ff_work)(void*) noexcept nogil
    void ff_run_parallel(ff_work work, void* args, size_t size, int count)
