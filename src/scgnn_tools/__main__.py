"""``python -m scgnn_tools`` is the command ``sgt``."""

import sys

from scgnn_tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
