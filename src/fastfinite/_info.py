"""What this build is and what it runs on."""

from __future__ import annotations

import importlib.util
from typing import Any

from fastfinite import _core, _threads
from fastfinite._version import __version__


def cpu_info() -> dict[str, Any]:
    """Return what decides the speed: instruction-set level, threads, and how the kernels were compiled.

    Returns
    -------
    dict
        ``version``; ``level``: the level in use ("base", "v2", "v3", "v4"; as NumPy's X86_V2 to X86_V4); ``supported``:
        the levels that processor and system support; ``compiled``: the levels in this build; ``threads``: what a large
        call would use; ``compiler``: what compiled the extension modules.

    Examples
    --------
    >>> import fastfinite as ff
    >>> ff.cpu_info()["level"] in ff.cpu_info()["compiled"]
    True
    """
    known = ("base", "v2", "v3", "v4")
    return {
        "version": __version__,
        "level": _core.LEVEL,
        "supported": list(_core.SUPPORTED_LEVELS),
        "compiled": [level for level in known if importlib.util.find_spec(f"fastfinite._kernels.{level}")],
        "threads": _threads.count(),
        "compiler": _core.COMPILER,
    }
