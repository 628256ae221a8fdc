"""``python -m fastfinite``: the same as the command ``fastfinite``."""

import sys

from fastfinite._cli import main

if __name__ == "__main__":
    sys.exit(main())
