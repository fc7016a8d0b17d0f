"""Labelled references that others have published, and that a user may fetch: where, under what licence, which columns."""

from dataclasses import dataclass
from pathlib import Path

from scgnn_tools._choices import did_you_mean, text
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable, say
from scgnn_tools._settings import settings
from scgnn_tools._write import as_path, check_possible
from scgnn_tools.fm.fetching import RemoteFile, addresses, fetch

FOLDER = "references"
"""Of ``settings.cache_dir``."""
BENCHMARK = "https://doi.org/10.6084/m9.figshare.12420968"
UNREAD = "that of its page and of the studies in it, which was not checked for this package"


@dataclass(frozen=True)
class Published:
    """A published reference.

    Attributes
    ----------
    description, organism
        What it holds.
    cells
        How many.
    labels_key, batch_key
        Columns of ``obs``: the label of a cell, and its experiment.
    licence, source
        What its authors allow, as far as that is known, and where that can be read.
    file
        Its file.
    restricted
        Whether the licence has to be accepted by whoever fetches it.
    """

    description: str
    organism: str
    cells: int
    labels_key: str
    batch_key: str
    licence: str
    source: str
    file: RemoteFile
    restricted: bool = True


def _figshare(name: str, number: int) -> RemoteFile:
    return RemoteFile(f"{name}.h5ad", (f"https://ndownloader.figshare.com/files/{number}",
                                       f"https://figshare.com/ndownloader/files/{number}"))  # fmt: skip


PUBLISHED = {
    "immune-human": Published(
        "blood and bone marrow of ten batches and five studies, 16 types (Luecken et al. 2022)", "human", 33506,
        "final_annotation", "batch", UNREAD, BENCHMARK, _figshare("immune-human", 25717328),
    ),
    "pancreas-human": Published(
        "pancreas of nine batches, 14 types (Luecken et al. 2022)", "human", 16382,
        "celltype", "tech", UNREAD, BENCHMARK, _figshare("pancreas-human", 24539828),
    ),
    "lung-human": Published(
        "lung of 16 batches, 17 types (Luecken et al. 2022)", "human", 32472,
        "cell_type", "batch", UNREAD, BENCHMARK, _figshare("lung-human", 24539942),
    ),
}  # fmt: skip


def of(name: object) -> Published:
    """Return a published reference; an unknown name is an error with those that there are."""
    if not isinstance(name, str) or name not in PUBLISHED:
        msg = f"There is no published reference {printable(repr(name))}; there are: {', '.join(PUBLISHED)}.{did_you_mean(name, PUBLISHED)}"
        raise InputValueError(msg)
    return PUBLISHED[name]


def path_of(name: str) -> Path:
    """Return where a reference lies once it was downloaded."""
    return settings.cache_dir / FOLDER / of(name).file.name


@door
def download(
    name: str, *, folder: str | Path | None = None, mirror: str | None = None, accept_license: bool = False
) -> Path:
    """Download a labelled reference that others have published.

    What is there already is not fetched again, what was cut off is resumed, and the file takes its name only when it is whole; its
    sha256 is kept beside it, and compared whenever it is asked for again.

    Parameters
    ----------
    name
        As in :func:`scgnn_tools.annotation.list`.
    folder
        Where to; None takes ``settings.cache_dir/references``, where ``tl.annotate(reference=name)`` finds it.
    mirror
        Address of a server that holds the file as ``<mirror>/<file>``; tried before the published ones.
    accept_license
        A reference whose licence limits its use, or was not checked, is fetched only with True; read the licence first.

    Returns
    -------
    pathlib.Path
        The file, for ``reference=``.

    Raises
    ------
    InputValueError
        If there is no such reference, or the licence was not accepted.
    WeightsError
        If no address gives the file, or what it gives is not what was promised. Nothing is left but the resumable part.

    Examples
    --------
    >>> sgt.annotation.download("pancreas-human", accept_license=True)  # doctest: +SKIP
    """
    about = of(name)
    if about.restricted and not accept_license:
        msg = (
            f"The licence of {name} is {about.licence}. Read it at {about.source}; if you may use the cells, call "
            f"sgt.annotation.download({name!r}, accept_license=True)."
        )
        raise InputValueError(msg)
    target = path_of(name).parent if folder is None else as_path("folder", folder)
    mirror = text("mirror", mirror, or_none=True)
    check_possible(target / about.file.name)
    target.mkdir(parents=True, exist_ok=True)
    path = fetch(about.file, addresses(about.file, mirror.rstrip("/") if mirror else None), target)
    columns = f"labels in obs['{about.labels_key}'], experiments in obs['{about.batch_key}']"
    say(f"download: {name} is {path}; {columns}; licence: {about.licence}")
    return path
