"""Parameters and gradients of models, checked by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastfinite._batch import Walker
from fastfinite._batch_report import BatchReport, Name


def check_parameters(model_or_params: Any, *, name: str = "parameters") -> BatchReport:
    """Raise if a parameter or buffer of a model is not finite, and say which.

    Parameters
    ----------
    model_or_params : torch.nn.Module, mapping, iterable or optimizer
        A module (whose buffers are checked with it), tensors by name such as a ``state_dict()``, tensors or pairs of
        name and tensor, or an optimizer.
    name : str, default "parameters"
        What the message calls them.

    Returns
    -------
    BatchReport
        Of what was looked at; nothing was found.

    Raises
    ------
    NonFiniteError
        With one of ``findings`` for each parameter (1,000 at most) that is not finite: counts, and the first place.
    TypeError
        If `model_or_params` is none of these.

    See Also
    --------
    check_gradients

    Notes
    -----
    Cost: one read of the parameters, at the speed of memory; on another device, one small answer for each.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.check_parameters({"fc.weight": np.ones((2, 2)), "fc.bias": np.array([0.0, np.nan])})
    Traceback (most recent call last):
        ...
    fastfinite.NonFiniteError: parameters: fc.bias (2 float64) has 1 non-finite value: 1 nan; first nan at index 1
    """
    tensors = list(_named(model_or_params))
    if hasattr(model_or_params, "named_buffers"):
        tensors += model_or_params.named_buffers()
    return _check(tensors, name)


def check_gradients(model_or_params: Any, *, name: str = "gradients") -> BatchReport:
    """Raise if the gradient of a parameter is not finite, and say which; for use before ``optimizer.step()``.

    Parameters
    ----------
    model_or_params : torch.nn.Module, mapping, iterable or optimizer
        As for `check_parameters`; what is checked is the ``grad`` of each.
    name : str, default "gradients"
        What the message calls them.

    Returns
    -------
    BatchReport
        Of what was looked at; nothing was found. Parameters without a gradient are in ``not_scanned``; where none has
        one, the report is false.

    Raises
    ------
    NonFiniteError
        With one of ``findings`` for each gradient that is not finite: counts, and the first place.
    TypeError
        If `model_or_params` is none of these, or what it holds has no gradients.

    See Also
    --------
    check_parameters

    Notes
    -----
    Cost: one read of the gradients, at the speed of memory; on another device, one small answer for each.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> from types import SimpleNamespace
    >>> weight = SimpleNamespace(grad=np.array([[0.1, np.inf]]), requires_grad=True)
    >>> ff.check_gradients({"fc.weight": weight})
    Traceback (most recent call last):
        ...
    fastfinite.NonFiniteError: gradients: fc.weight (1 x 2 float64) has 1 non-finite value: 1 +inf; first +inf at ...
    """
    tensors: list[tuple[str, Any]] = []
    missing: dict[str, str] = {}
    for key, parameter in _named(model_or_params):
        if not hasattr(type(parameter), "grad") and not hasattr(parameter, "grad"):
            raise TypeError(f"{key} has no gradient: it is of type {type(parameter).__name__}")
        if not getattr(parameter, "is_leaf", True) and not getattr(parameter, "retains_grad", False):
            missing[key] = "it is no leaf, and keeps no gradient"       # PyTorch warns where it is asked for one
        elif parameter.grad is not None:
            tensors.append((key, parameter.grad))
        else:
            needs = getattr(parameter, "requires_grad", True)
            missing[key] = "it has no gradient" if needs else "it has no gradient, and needs none"
    report = _check(tensors, name)
    report.not_scanned.update(missing)
    return report


def _named(model_or_params: Any) -> Iterator[tuple[str, Any]]:
    """Tensors by name, from whatever holds them."""
    if hasattr(model_or_params, "named_parameters"):
        yield from model_or_params.named_parameters()
    elif isinstance(model_or_params, Mapping):
        yield from ((str(key), value) for key, value in model_or_params.items())
    elif hasattr(model_or_params, "param_groups"):
        for i, group in enumerate(model_or_params.param_groups):
            names = group.get("param_names") or [f"groups[{i}][{j}]" for j in range(len(group["params"]))]
            yield from zip(names, group["params"])
    elif hasattr(model_or_params, "shape") or not isinstance(model_or_params, Iterable) or isinstance(
        model_or_params, (str, bytes)
    ):
        raise TypeError("model_or_params must be a module, an optimizer, or tensors in a mapping or iterable, not "
                        f"{type(model_or_params).__name__}")
    else:
        for i, entry in enumerate(model_or_params):
            named = isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)
            yield entry if named else (f"[{i}]", entry)


def _check(tensors: Iterable[tuple[str, Any]], name: str) -> BatchReport:
    return Walker().check(((Name(key), tensor) for key, tensor in tensors), lambda: name)
