"""Where numba keeps what it compiles: a folder of this process if it can write nowhere else, as in a container of another user.

Without any such folder numba refuses to compile, and no function of the package could be imported.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

FOLDER = "NUMBA_CACHE_DIR"


def make_room(package: Path = Path(__file__).parent, user: Path | None = None) -> None:
    """Name a new folder for numba where neither the package's nor the user's can be written; it is gone when the process ends.

    Parameters
    ----------
    package
        Beside whose files numba writes first.
    user
        Folder of the user's caches, where it writes next; None finds it.
    """
    if FOLDER in os.environ:
        return
    try:
        caches = user or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        if any(map(_takes_files, (package, caches))):
            return
    except RuntimeError:  # a user without a home
        pass
    room = tempfile.mkdtemp(prefix="numba-")
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    os.environ[FOLDER] = room
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = room


def _takes_files(folder: Path) -> bool:
    """Tell whether a folder, or the first one above it that is there, can be written."""
    while not os.access(folder, os.F_OK) and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


make_room()
