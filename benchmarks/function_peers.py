"""What else computes the elementwise functions, the losses and softmax: NumPy, SciPy, PyTorch, scikit-learn.

(a) A peer prepares a call without arguments from the operands of a job and an array for the result. Those with "out="
    in their names write into that array; the others make one.
(b) `other` marks what does not do the job, but is a measure of it: a plain copy, `np.exp`, a division by 0.
(c) What a peer gets wrong is said in `wrong`, and `fails_on` proves it, as in peers.py; bench_functions.py checks both.
(d) Absent libraries are left out, as in peers.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import BLOCK, Array
from peers import load

import fastfinite as ff

Operands = tuple[Array, ...]
Call = Callable[[], Any]
Prepare = Callable[[Operands, Array], Call]

FLOATS = ("float32", "float64")
REAL = ("float16", *FLOATS)
COPY = "limit: np.copyto"
EPS = 1e-7      # as probabilities are clipped in float32; 1 - 1e-7 is not 1


# ---- data --------------------------------------------------------------------------------------------


def _labels(rng: np.random.Generator, n: int) -> Array:
    return (rng.random(n) < 0.3).astype(np.float64)


def _divisors(rng: np.random.Generator, n: int) -> Array:
    divisors = rng.standard_normal(n)
    divisors[rng.random(n) < 0.01] = 0
    return divisors


# What the values of an operand are. Probabilities stay away from 0 and 1, so that every formula is right there.
VALUES: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "logits": lambda rng, n: 4 * rng.standard_normal(n),
    "probabilities": lambda rng, n: rng.uniform(0.001, 0.999, n),
    "normal": lambda rng, n: rng.standard_normal(n),
    "divisors": _divisors,
    "labels": _labels,
}
OPERANDS: dict[str, tuple[str, ...]] = {
    "sigmoid": ("logits",),
    "sigmoid_grad": ("logits",),
    "log_sigmoid": ("logits",),
    "softplus": ("logits",),
    "logit": ("probabilities",),
    "safe_log": ("probabilities",),
    "safe_divide": ("normal", "divisors"),
    "binary_cross_entropy": ("labels", "probabilities"),
    "binary_cross_entropy_with_logits": ("labels", "logits"),
    "loss and gradient of logits": ("labels", "logits"),
    "softmax": ("logits",),
    "log_softmax": ("logits",),
    "logsumexp": ("logits",),
    "cross_entropy": ("classes", "logits"),
}
ELEMENTWISE = tuple(OPERANDS)[:7]
LOSSES = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
ROWS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")


@functools.lru_cache(maxsize=2)
def operand(values: str, n: int, dtype: np.dtype[Any]) -> Array:
    """Values of one kind, the same block over and over."""
    rng = np.random.default_rng(2024 + list(VALUES).index(values))
    block = VALUES[values](rng, min(n, BLOCK)).astype(dtype)
    x = np.empty(n, dtype)
    for start in range(0, n, BLOCK):
        x[start : start + BLOCK] = block[: n - start]
    return x


@functools.lru_cache(maxsize=1)
def classes(rows: int, columns: int) -> Array:
    return np.random.default_rng(2024).integers(0, columns, rows)


def operands(job: str, n: int, dtype: np.dtype[Any], columns: int = 0) -> Operands:
    """What a job gets: so many elements, in rows of `columns` where those are given."""
    made = []
    for values in OPERANDS[job]:
        if values == "classes":
            made.append(classes(n // columns, columns))
        else:
            x = operand(values, n, dtype)
            made.append(x[: n // columns * columns].reshape(-1, columns) if columns else x)
    return tuple(made)


def result_for(given: Operands) -> Array:
    """An array for the result, of the last operand's shape, its pages in memory."""
    out = np.empty_like(given[-1])
    out.fill(1)
    return out


def forget() -> None:
    operand.cache_clear()
    classes.cache_clear()


# ---- exact answers -----------------------------------------------------------------------------------


def _exact_logit(p: Array) -> Array:
    return np.log1p((2 * p - 1) / (1 - p))


def _exact_divide(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


def _exact_loss(y: Array, p: Array) -> Array:
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def _exact_loss_of_logits(y: Array, z: Array) -> Array:
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))


def _exact_log_softmax(z: Array) -> Array:
    return z - _exact_logsumexp(z)[:, np.newaxis]


def _exact_logsumexp(z: Array) -> Array:
    top = z.max(axis=1)
    return top + np.log(np.exp(z - top[:, np.newaxis]).sum(axis=1))


def _exact_cross_entropy(k: Array, z: Array) -> Array:
    return -_exact_log_softmax(z)[np.arange(len(k)), k]


# The answer for each element or row, without a reduction, of operands in extended precision.
EXACT: dict[str, Callable[..., Array]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoid_grad": lambda x: np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2,
    "log_sigmoid": lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "logit": _exact_logit,
    "safe_log": np.log,
    "safe_divide": _exact_divide,
    "binary_cross_entropy": _exact_loss,
    "binary_cross_entropy_with_logits": _exact_loss_of_logits,
    "loss and gradient of logits": _exact_loss_of_logits,
    "softmax": lambda z: np.exp(_exact_log_softmax(z)),
    "log_softmax": _exact_log_softmax,
    "logsumexp": _exact_logsumexp,
    "cross_entropy": _exact_cross_entropy,
}


def exact(job: str, given: Operands) -> Array:
    return EXACT[job](*(x.astype(np.longdouble) if x.dtype.kind == "f" else x for x in given))


# ---- peers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FunctionPeer:
    name: str
    job: str
    make: Callable[[], Prepare]
    dtypes: tuple[str, ...] = FLOATS
    other: bool = False
    wrong: str = ""
    fails_on: np.floating[Any] | None = None
    threads: bool = False       # its number of threads can be set

    def ready(self, given: Operands, out: Array) -> Call:
        return _made(self.job, self.name)(given, out)


@functools.cache
def _made(job: str, name: str) -> Prepare:
    return PEER[job, name].make()


def into(function: Callable[..., Any], **options: Any) -> Callable[[], Prepare]:
    """A function with out=."""
    return lambda: lambda given, out: functools.partial(function, *given, out=out, **options)


def lines(function: Callable[..., Any], **options: Any) -> Callable[[], Prepare]:
    """A function of the operands alone, which makes its result."""
    return lambda: lambda given, out: functools.partial(function, *given, **options)


def _fastfinite(name: str, **options: Any) -> Callable[[], Prepare]:
    return lambda: into(getattr(ff, name), **options)()


def _fastfinite_plain(name: str, **options: Any) -> Callable[[], Prepare]:
    return lambda: lines(getattr(ff, name), **options)()


def _copy() -> Prepare:
    return lambda given, out: functools.partial(np.copyto, out, given[-1])


def _first(function: Callable[..., Any]) -> Callable[[], Prepare]:
    """NumPy's function of the last operand alone."""
    return lambda: lambda given, out: functools.partial(function, given[-1], out=out)


def _scipy(name: str) -> Callable[[], Prepare]:
    return lambda: into(getattr(load("scipy.special"), name))()


def _scipy_rows(name: str) -> Callable[[], Prepare]:
    return lambda: lines(getattr(load("scipy.special"), name), axis=1)()


def _torch(find: Callable[[Any], Callable[..., Any]], **options: Any) -> Callable[[], Prepare]:
    """A function of PyTorch with out=, its tensors made of the arrays' own memory."""

    def make() -> Prepare:
        torch = load("torch")
        function = find(torch)

        def prepare(given: Operands, out: Array) -> Call:
            tensors = [torch.from_numpy(x) for x in given]
            return functools.partial(function, *tensors, out=torch.from_numpy(out), **options)

        return prepare

    return make


def _torch_plain(find: Callable[[Any], Callable[..., Any]], turned: bool = False, **options: Any
                 ) -> Callable[[], Prepare]:
    """A function of PyTorch that makes its result; `turned`: the labels come second."""

    def make() -> Prepare:
        torch = load("torch")
        function = find(torch)

        def prepare(given: Operands, out: Array) -> Call:
            tensors = [torch.from_numpy(x) for x in (reversed(given) if turned else given)]
            return functools.partial(function, *tensors, **options)

        return prepare

    return make


def _torch_gradient() -> Prepare:
    torch = load("torch")
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits

    def prepare(given: Operands, out: Array) -> Call:
        y, z = (torch.from_numpy(x) for x in given)
        z.requires_grad_()
        ones = torch.ones_like(y)

        def call() -> tuple[Any, Any]:
            z.grad = None
            loss = loss_of(z, y, reduction="none")
            loss.backward(ones)
            return loss.detach(), z.grad

        return call

    return prepare


def _half_binomial(name: str) -> Any:
    return getattr(load("sklearn._loss").HalfBinomialLoss(), name)


def _sklearn_mean() -> Prepare:
    loss = _half_binomial("__call__")
    return lambda given, out: lambda: loss(*given, n_threads=1)


def _sklearn_gradient() -> Prepare:
    function = _half_binomial("loss_gradient")

    def prepare(given: Operands, out: Array) -> Call:
        return functools.partial(function, *given, loss_out=out, gradient_out=result_for(given), n_threads=1)

    return prepare


def _fastfinite_gradient() -> Prepare:
    function = ff.binary_cross_entropy_with_logits

    def prepare(given: Operands, out: Array) -> Call:
        return functools.partial(function, *given, reduction="none", return_grad=True, grad_out=out)

    return prepare


# ---- lines of NumPy ----------------------------------------------------------------------------------


def where_sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def short_sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def short_sigmoid_grad(x: Array) -> Array:
    s = 1 / (1 + np.exp(-x))
    return s * (1 - s)


def sigmoid_grad(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return e / (1 + e) ** 2


def log_sigmoid(x: Array) -> Array:
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def odds(p: Array) -> Array:
    return np.log(p / (1 - p))


def log_of_maximum(x: Array) -> Array:
    return np.log(np.maximum(x, EPS))


def _log_of_maximum_into() -> Prepare:
    return lambda given, out: lambda: np.log(np.maximum(given[0], EPS, out=out), out=out)


def _log_where() -> Prepare:
    return lambda given, out: lambda: np.log(given[0], out=out, where=given[0] > 0)


def _divide_where() -> Prepare:
    # The fill has to be put there first; this leaves it out, since it stays from one call to the next.
    def prepare(given: Operands, out: Array) -> Call:
        a, b = given
        out.fill(0)
        return lambda: np.divide(a, b, out=out, where=b != 0)

    return prepare


def where_divide(a: Array, b: Array) -> Array:
    return np.where(b == 0, 0, a / b)


def clip_and_log(y: Array, p: Array) -> Any:
    p = np.clip(p, EPS, 1 - EPS)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def loss_of_logits(y: Array, z: Array) -> Any:
    return np.mean(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z))))


def logaddexp_loss(y: Array, z: Array) -> Any:
    return np.mean(np.logaddexp(0, z) - y * z)


def loss_and_gradient(y: Array, z: Array) -> tuple[Array, Array]:
    e = np.exp(-np.abs(z))
    return np.maximum(z, 0) - y * z + np.log1p(e), np.where(z >= 0, 1 / (1 + e), e / (1 + e)) - y


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def log_softmax(z: Array) -> Array:
    z = z - z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z


def logsumexp(z: Array) -> Array:
    top = z.max(axis=1)
    return top + np.log(np.exp(z - top[:, np.newaxis]).sum(axis=1))


def cross_entropy(k: Array, z: Array) -> Any:
    return np.mean(logsumexp(z) - z[np.arange(len(k)), k])


NUMPY_WHERE = "NumPy, np.where"
NUMPY_CLIP = "NumPy, clip and log"
NUMPY_LOGITS = "NumPy, max and log1p"
NUMPY_MAXIMUM = "np.log(np.maximum(x, eps))"
NUMPY_DIVIDE_WHERE = "np.divide(where=), out="
SKLEARN_GRADIENT = "sklearn HalfBinomialLoss.loss_gradient"


def _mine(job: str) -> FunctionPeer:
    return FunctionPeer(f"fastfinite.{job}, out=", job, _fastfinite(job), REAL, threads=True)


def _peers() -> list[FunctionPeer]:
    peer = FunctionPeer
    given = [
        *(_mine(job) for job in ELEMENTWISE),
        *(peer(COPY, job, _copy, REAL, other=True) for job in OPERANDS),
        *(peer("np.exp, out=", job, _first(np.exp), REAL, other=True) for job in ELEMENTWISE[:5]),
    ]

    job = "sigmoid"
    given += [
        peer(NUMPY_WHERE, job, lines(where_sigmoid), REAL),
        peer("NumPy, 1 / (1 + exp(-x))", job, lines(short_sigmoid), REAL, wrong="warns, and 0 where it is subnormal",
             fails_on=np.float32(-90)),
        peer("scipy.special.expit, out=", job, _scipy("expit"), REAL),
        peer("torch.sigmoid, out=", job, _torch(lambda torch: torch.sigmoid), REAL, threads=True),
    ]
    job = "sigmoid_grad"
    given += [
        peer("NumPy, e / (1 + e)**2", job, lines(sigmoid_grad), REAL),
        peer("NumPy, s * (1 - s)", job, lines(short_sigmoid_grad), REAL,
             wrong="0 where s is 1", fails_on=np.float32(30)),
    ]
    job = "log_sigmoid"
    given += [
        peer("NumPy, min and log1p", job, lines(log_sigmoid), REAL),
        peer("scipy.special.log_expit, out=", job, _scipy("log_expit"), FLOATS),
        peer("torch logsigmoid, out=", job, _torch(lambda torch: torch.nn.functional.logsigmoid), REAL, threads=True),
    ]
    job = "softplus"
    given += [
        peer("np.logaddexp(0, x), out=", job, lambda: lambda given, out: lambda: np.logaddexp(0, given[0], out=out),
             REAL),
        peer(NUMPY_LOGITS, job, lines(softplus), REAL),
        peer("torch softplus, out=", job, _torch(lambda torch: torch.nn.functional.softplus), REAL, threads=True,
             wrong="x from 20 on", fails_on=np.float64(25)),
    ]
    job = "logit"
    given += [
        peer("NumPy, log(p / (1 - p))", job, lines(odds), REAL,
             wrong="off where it is near 0", fails_on=np.float32(0.50001)),
        peer("scipy.special.logit, out=", job, _scipy("logit"), FLOATS),
        peer("torch.logit, out=", job, _torch(lambda torch: torch.logit), REAL, threads=True),
    ]
    job = "safe_log"
    given += [
        peer("np.log, out=", job, _first(np.log), REAL),
        peer(NUMPY_MAXIMUM, job, lines(log_of_maximum), REAL),
        peer("np.log(np.maximum(x, eps)), out=", job, _log_of_maximum_into, REAL),
        peer("np.log(where=), out=", job, _log_where, REAL),
        peer("torch.log, out=", job, _torch(lambda torch: torch.log), REAL, threads=True),
    ]
    job = "safe_divide"
    given += [
        peer("np.divide, out=", job, into(np.divide), REAL, other=True),
        peer(NUMPY_DIVIDE_WHERE, job, _divide_where, REAL),
        peer("NumPy, np.where(b == 0, 0, a / b)", job, lines(where_divide), REAL),
        peer("torch.div, out=", job, _torch(lambda torch: torch.div), REAL, other=True, threads=True),
    ]

    job = "binary_cross_entropy"
    given += [
        peer("fastfinite.binary_cross_entropy", job, _fastfinite_plain(job), threads=True),
        peer(NUMPY_CLIP, job, lines(clip_and_log)),
        peer("torch binary_cross_entropy", job,
             _torch_plain(lambda torch: torch.nn.functional.binary_cross_entropy, turned=True), threads=True),
    ]
    job = "binary_cross_entropy_with_logits"
    given += [
        peer("fastfinite.binary_cross_entropy_with_logits", job, _fastfinite_plain(job), threads=True),
        peer(NUMPY_LOGITS, job, lines(loss_of_logits)),
        peer("NumPy, logaddexp", job, lines(logaddexp_loss)),
        peer("torch binary_cross_entropy_with_logits", job,
             _torch_plain(lambda torch: torch.nn.functional.binary_cross_entropy_with_logits, turned=True),
             threads=True),
        peer("sklearn HalfBinomialLoss", job, _sklearn_mean),
    ]
    job = "loss and gradient of logits"
    given += [
        peer("fastfinite, return_grad", job, _fastfinite_gradient, threads=True),
        peer(SKLEARN_GRADIENT, job, _sklearn_gradient),
        peer("NumPy, max, log1p, np.where", job, lines(loss_and_gradient)),
        peer("torch, backward", job, _torch_gradient, threads=True),
    ]

    for job in ("softmax", "log_softmax"):
        given += [
            peer(f"fastfinite.{job}, out=", job, _fastfinite(job, axis=1), threads=True),
            peer("NumPy", job, lines(softmax if job == "softmax" else log_softmax)),
            peer(f"scipy.special.{job}", job, _scipy_rows(job)),
            peer(f"torch.{job}, out=", job, _torch(lambda torch, name=job: getattr(torch, name), dim=1), threads=True),
        ]
    job = "logsumexp"
    given += [
        peer("fastfinite.logsumexp", job, _fastfinite_plain(job, axis=1), threads=True),
        peer("NumPy", job, lines(logsumexp)),
        peer("scipy.special.logsumexp", job, _scipy_rows(job)),
        peer("torch.logsumexp", job, _torch_plain(lambda torch: torch.logsumexp, dim=1), threads=True),
    ]
    job = "cross_entropy"
    given += [
        peer("fastfinite.cross_entropy", job, _fastfinite_plain(job), threads=True),
        peer("NumPy", job, lines(cross_entropy)),
        peer("torch cross_entropy", job, _torch_plain(lambda torch: torch.nn.functional.cross_entropy, turned=True),
             threads=True),
    ]
    return given


# fastfinite is the first of each job.
FUNCTION_PEERS = tuple(sorted(_peers(), key=lambda peer: not peer.name.startswith("fastfinite")))
PEER = {(peer.job, peer.name): peer for peer in FUNCTION_PEERS}


def peers_for(job: str, dtype: str, *, threads: bool = False) -> list[FunctionPeer]:
    """Those that do the job on such data, or are a measure of it; fastfinite first."""
    return [peer for peer in FUNCTION_PEERS
            if peer.job == job and dtype in peer.dtypes and (peer.threads or not threads)]


def mine(job: str) -> FunctionPeer:
    return next(peer for peer in FUNCTION_PEERS if peer.job == job)
