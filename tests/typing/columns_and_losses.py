"""Column statistics, functions and losses, as a type checker sees them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastfinite as ff

x = np.ones((3, 2))

stats = ff.column_stats(x, nan_policy="omit")
assert_type(stats, ff.ColumnStats)
assert_type(stats.update(x), ff.ColumnStats)
assert_type(stats + stats, ff.ColumnStats)
assert_type(sum([stats, stats], ff.ColumnStats()), ff.ColumnStats)
assert_type(stats.mean, NDArray[np.float64])
assert_type(stats.var, NDArray[np.float64])
assert_type(stats.std, NDArray[np.float64])
assert_type(stats.constant, NDArray[np.bool_])
assert_type(stats.count, NDArray[np.int64])
assert_type(ff.column_variance(x), NDArray[np.float64])
assert_type(ff.constant_columns(x), NDArray[np.bool_])
assert_type(ff.near_constant_columns(x, rtol=1e-9), NDArray[np.bool_])
assert_type(ff.standardize(x, stats=stats), NDArray[Any])
assert_type(ff.inverse_standardize(x, stats=stats), NDArray[Any])

# As NumPy's, of which the kind of the result depends on that of the operands.
for function in (ff.sigmoid, ff.sigmoid_grad, ff.log_sigmoid, ff.softplus, ff.logit):
    assert_type(function, np.ufunc)
value: float = ff.sigmoid(0.0)
array: NDArray[np.float32] = ff.safe_log(np.ones(3, np.float32), fill=0.0)
array = ff.safe_divide(array, 0.0, fill=[1.0], out=array)

mean: float = ff.binary_cross_entropy([0, 1], [0.5, 0.5])
loss, grad = ff.binary_cross_entropy_with_logits([0, 1], [0.0, 1.0], return_grad=True, reduction="sum")
loss, info = ff.binary_cross_entropy([0, 1], [0.5, 0.5], return_info=True)
kept: ff.LossInfo = info
assert_type(kept.floored, int)
assert_type(kept.saturated, int)
assert_type(kept.nan, int)
mean = ff.cross_entropy([0, 1], x[:2], weight=[1.0, 2.0])
rows: NDArray[np.float64] = ff.softmax(x, axis=-1, out=x)
rows = ff.log_softmax(x, axis=(0, 1))
total: float = ff.logsumexp(x, keepdims=False)

ff.near_constant_columns(x)                     # type: ignore[call-arg]
ff.column_stats(x, 1)                           # type: ignore[call-arg]
ff.standardize(x, stats)                        # type: ignore[call-arg]
ff.inverse_standardize(x)                       # type: ignore[call-arg]
ff.binary_cross_entropy([0], [0.5], eps=1e-7)   # type: ignore[call-arg]
