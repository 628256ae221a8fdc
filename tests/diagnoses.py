"""What tests of `diagnose` share: the facts of causes, and data that nothing but the cause asked for is in."""

import numpy as np

import fastfinite as ff

X4 = np.array([[0.5, 1.0], [1.5, -1.0], [2.5, 3.0], [-0.5, 2.0]])


def facts(cause):
    return (cause.code, cause.severity, cause.where, cause.column, cause.name, cause.count, round(cause.share, 12),
            cause.first)


def causes(code, *arguments, **options):
    """The causes of a code."""
    return [cause for cause in ff.diagnose(*arguments, **options) if cause.code == code]


def found(code, *arguments, **options):
    """The facts of the causes of a code."""
    return [facts(cause) for cause in causes(code, *arguments, **options)]


def codes(*arguments, **options):
    return [cause.code for cause in ff.diagnose(*arguments, **options)]


def in_column(*values, dtype=None):
    """Data of which the second column, the one asked of, is called b, and the first is harmless."""
    column = np.array(values, dtype)
    return {"X": np.stack([np.linspace(0, 1, len(column)).astype(column.dtype), column], axis=1), "columns": "ab"}


def expected(code, severity, count, rows, first, *, where="X", column=1, name="b"):
    return [(code, severity, where, column, name, count, round(count / rows, 12), first)]


def of_y(code, severity, count, rows, first, where="y"):
    return [(code, severity, where, None, None, count, round(count / rows, 12), first)]
