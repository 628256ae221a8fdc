"""Docstrings of the ufuncs, which NumPy keeps as text. NumPy puts the signature in front."""

_PARAMETERS = """
Parameters
----------
x : array_like
    {domain} of any shape: float16, float32, float64, bfloat16; integers promote as in `numpy.exp`. pandas, xarray
    and dask objects and torch's CPU tensors (not of bfloat16) come back as their own kind.
out : ndarray or tuple of ndarray, optional
    Where to put the result; `x` itself to work in place.
where : array_like, default True
    Which elements to compute.
**kwargs
    ``dtype=``, ``casting=`` and the other keywords of a ufunc.

Returns
-------
ndarray or scalar
    Of the shape of `x`.

Raises
------
TypeError
    If the dtype is complex, long double, or no number.
"""

_ACCURACY = """
Accuracy: within {single} units in the last place for float32, over all its values; {double} for float64; float16 and
bfloat16 are correctly rounded. Subnormal results are kept, and no floating-point flag is raised, whatever the input.

Cost: one pass, no temporary; float32 takes {speed} times as long as `numpy.exp`. Large arrays are spread over threads.
"""


def _document(summary: str, domain: str, related: str, table: str, notes: str, single: str, double: str, speed: str,
              method: str, examples: str) -> str:
    parts = [
        summary,
        _PARAMETERS.format(domain=domain),
        f"See Also\n--------\n{related}\n",
        f"Notes\n-----\n{notes}\n",
        table,
        _ACCURACY.format(single=single, double=double, speed=speed),
        f"Method: {method}\n",
        f"Examples\n--------\n>>> import numpy as np\n>>> import fastfinite as ff\n{examples}",
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts).strip() + "\n"


def _table(rows: list[tuple[str, str]]) -> str:
    """The results at the special points."""
    rows = [("x", "result"), *rows]
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    rule = "  ".join("=" * width for width in widths)
    lines = [f"{row[0]:<{widths[0]}}  {row[1]}".rstrip() for row in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


DOCS = {
    "sigmoid": _document(
        "The logistic sigmoid, 1 / (1 + exp(-x)), with all its subnormal values.",
        "Real numbers",
        "log_sigmoid : Its log, exact where the sigmoid is 0 or 1.\n"
        "sigmoid_grad : Its derivative.\nlogit : Its inverse.",
        _table([("-inf", "0"), ("below -103.97 (float32), -745.13 (float64)", "0"), ("-0, 0, subnormal numbers", "0.5"),
                ("above 17.33 (float32), 37.43 (float64)", "1"), ("inf", "1"), ("nan", "nan")]),
        "sigmoid(-x) is 1 - sigmoid(x). Where the result is 1 the loss cannot see the difference any more: take\n"
        "`log_sigmoid` or a loss of logits. The derivative is `sigmoid_grad`.",
        "0.502", "0.95", "1.5",
        "exp by reduction with ln(2) and a minimax polynomial; in float64 with the parts that rounding loses, and a\n"
        "quotient corrected by its remainder.",
        ">>> ff.sigmoid(np.array([-1000.0, -710.0, 0.0, 2.0]))\n"
        "array([0.00000000e+000, 4.47628623e-309, 5.00000000e-001, 8.80797078e-001])",
    ),
    "sigmoid_grad": _document(
        "The derivative of the sigmoid, sigmoid(x) * sigmoid(-x).",
        "Real numbers",
        "sigmoid : The function itself.",
        _table([("-inf, inf", "0"), ("-0, 0", "0.25"), ("nan", "nan")]),
        "s * (1 - s) is 0 from x = 37.43 on in float64, since s is 1 there; this is 4.2e-18 at 40, as it should be.\n"
        "It is even: the same for -x, bit by bit. Its derivative is sigmoid_grad(x) * (1 - 2 * sigmoid(x)).",
        "0.502", "0.95", "1.6",
        "e / (1 + e)**2 with e = exp(-abs(x)), as for `sigmoid`.",
        ">>> ff.sigmoid_grad(np.array([0.0, 40.0, -800.0]))\n"
        "array([2.50000000e-01, 4.24835426e-18, 0.00000000e+00])",
    ),
    "log_sigmoid": _document(
        "The log of the sigmoid, -log(1 + exp(-x)), which neither overflows nor is cut off.",
        "Real numbers",
        "sigmoid : Without the log.\nsoftplus : The same with both signs turned.",
        _table([("-inf", "-inf"), ("very negative", "x"), ("-0, 0", "-log(2)"),
                ("large", "-exp(-x), down to the subnormal numbers"), ("inf", "-0"), ("nan", "nan")]),
        "log_sigmoid(x) is -softplus(-x). The derivative is sigmoid(-x).",
        "0.503", "0.95", "2",
        "min(x, 0) - log(1 + e) with e = exp(-abs(x)); the log by the series of the inverse hyperbolic tangent in\n"
        "float64, and a minimax polynomial in float32.",
        ">>> ff.log_sigmoid(np.array([-1000.0, 0.0, 40.0]))\n"
        "array([-1.00000000e+03, -6.93147181e-01, -4.24835426e-18])",
    ),
    "softplus": _document(
        "The softplus, log(1 + exp(x)), a smooth maximum of x and 0.",
        "Real numbers",
        "log_sigmoid : The same with both signs turned.",
        _table([("-inf", "0"), ("very negative", "exp(x), down to the subnormal numbers"), ("-0, 0", "log(2)"),
                ("large", "x"), ("inf", "inf"), ("nan", "nan")]),
        "The derivative is sigmoid(x).",
        "0.503", "0.95", "2",
        "max(x, 0) + log(1 + e) with e = exp(-abs(x)), as for `log_sigmoid`.",
        ">>> ff.softplus(np.array([-40.0, 0.0, 1000.0]))\n"
        "array([4.24835426e-18, 6.93147181e-01, 1.00000000e+03])",
    ),
    "logit": _document(
        "The log of the odds, log(p / (1 - p)), the inverse of the sigmoid.",
        "Probabilities",
        "sigmoid : Its inverse.",
        _table([("below 0, above 1", "nan"), ("-0, 0", "-inf"), ("0.5", "0"), ("1", "inf"), ("nan", "nan")]),
        "Exact near 1/2 too, where the log of the odds is close to 0. The derivative is 1 / (p * (1 - p)).",
        "0.511", "0.9", "3",
        "the log of the odds with their remainder, as for `safe_log`.",
        ">>> ff.logit(np.array([0.0, 0.25, 0.5, 1.0, 1.5]))\n"
        "array([       -inf, -1.09861229,  0.        ,         inf,         nan])",
    ),
}
