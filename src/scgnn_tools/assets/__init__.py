"""What ships in the package: tables of genes, a prior network, a labelled reference; each with a card.

The files are made by ``scripts/build_assets.py``; ``cards.json`` holds source, licence and sha256 of each.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn_tools._errors import WeightsError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

HERE = Path(__file__).parent


@cache
def cards() -> dict[str, dict[str, Any]]:
    """Return the cards of all assets by name."""
    return json.loads((HERE / "cards.json").read_text(encoding="utf-8"))


def card(name: str) -> dict[str, Any]:
    """Return the card of an asset: name, file, source, licence, description, sha256, made_by, n_rows."""
    if name not in cards():
        msg = f"There is no asset {name!r}; the assets are {', '.join(sorted(cards()))}."
        raise KeyError(msg)
    return dict(cards()[name])


@cache
def path(name: str) -> Path:
    """Return the path of an asset after checking it against the sha256 on its card.

    Raises
    ------
    WeightsError
        If the file is missing or is not what its card promises.
    """
    return checked(HERE / card(name)["file"], card(name)["sha256"])


def checked(file: Path, sha256: str) -> Path:
    """Return ``file`` if its content has this sha256, else raise :class:`WeightsError`."""
    seen = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no file"
    if seen != sha256:
        msg = f"{file.name} is damaged or was changed: sha256 {seen[:12]}, wanted {sha256[:12]}. Install scgnn_tools again."
        raise WeightsError(msg)
    return file


@cache
def _table(name: str) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_csv(path(name), sep="\t", keep_default_na=False, dtype={"chromosome": str})


def read_table(name: str) -> "pd.DataFrame":
    """Return a table; it is read once and must not be changed by the caller."""
    return _table(name)


def immune_hierarchy() -> dict[str, Any]:
    """Return what is above the labels of the immune reference: ``parents``, name to names, and ``ids`` of the Cell Ontology."""
    return json.loads(path("immune_hierarchy").read_text(encoding="utf-8"))


def immune_reference() -> "AnnData":
    """Return the bundled immune reference.

    Returns
    -------
    AnnData
        ``X`` CSR float32 counts; ``obs["cell_type"]`` the label on one map, ``obs["original"]`` the published one,
        ``obs["dataset"]``, ``obs["n_counts"]`` the total over all genes, of which ``X`` holds a part.
    """
    import anndata as ad

    adata = ad.read_h5ad(path("immune_reference"))
    adata.X = adata.X.astype("float32")
    return adata
