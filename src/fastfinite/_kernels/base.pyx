"""Kernels compiled for the compiler's default for the machine (the ABI floor)."""

include "level.pxi"
