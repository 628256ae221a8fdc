"""Kernels, one module an instruction-set level; only the level in use is imported."""
