"""The one adapter to scvi-tools: what ``setup_anndata`` registers, kept as plain data, and new objects checked against it.

scvi-tools keeps the object itself in its store of managers; here only the registry is kept, so that a set-up object can be freed. It
goes by the ``_scvi_manager_uuid`` that scvi-tools writes at every set-up: a copy that is set up again is told from its original. All
that models read later goes through :func:`transfer`, which lays an object out over the registered genes (any order, missing ones zero)
and lets scvi-tools check it; the object itself is not touched.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import listed
from scgnn_tools._columns import column_of
from scgnn_tools._errors import GeneMatchError, InputScaleError, InputValueError, LabelError, MissingKeyError, warn
from scgnn_tools._keys import SETUP_LABELS
from scgnn_tools._log import counted, printable
from scgnn_tools._modality import is_mudata, only_anndata
from scgnn_tools.annotation.inputs import own_vectors
from scgnn_tools.data import open_expression
from scgnn_tools.data.labels import clean_labels

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from scvi.data import AnnDataManager

REFUSE_SHARE, WARN_SHARE = 0.2, 0.7
"""Share of the registered genes that an object must have, and below which there is a warning."""


@dataclass(frozen=True)
class Setup:
    """What was registered, as data that JSON can hold.

    Attributes
    ----------
    model
        Class that it was registered for.
    genes
        ``var_names``, in the order of the object that was set up.
    classes
        Labels, sorted; the unlabelled category is not among them.
    layer, labels_key, unlabeled_category, batch_key, modality
        As given; ``layer`` is None for X, ``modality`` None for an AnnData.
    batches
        Categories of ``batch_key``.
    scvi_version
        Version of scvi-tools.
    """

    model: str
    genes: list[str]
    classes: list[str]
    layer: str | None
    labels_key: str
    unlabeled_category: str
    batch_key: str | None
    batches: list[str]
    modality: str | None
    scvi_version: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a dict."""
        return asdict(self)


MARK = "_scvi_manager_uuid"
"""Of ``uns``: another one after each set-up; a copy has that of its original until it is set up itself."""

_SETUPS: dict[str, dict[str, Setup]] = {}
"""By mark and model: all that the object was set up for."""

_OBJECTS: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""By mark, the objects themselves, as long as somebody has them."""


def setup(
    adata: "AnnData | MuData",
    model: str,
    *,
    layer: str | None,
    labels_key: str,
    unlabeled_category: str,
    batch_key: str | None,
    modality: str | None = None,
) -> Setup:
    """Register an object for a model; see :meth:`ScviSetup.setup_anndata` for what is written.

    Raises
    ------
    InputValueError
        If it is a view.
    MissingKeyError, InputScaleError
        If a key is not there, or the matrix holds neither counts nor log-normalised values.
    """
    rna = of_modality(adata, modality)
    if adata.is_view or rna.is_view:
        msg = f"{model} cannot set up a view, which cannot be written to. Pass adata.copy()."
        raise InputValueError(msg)
    expression = open_expression(rna, layer=layer)
    if expression.name == "raw":
        msg = f"Only adata.raw holds what {model} needs, and raw cannot be registered. Pass adata.raw.to_adata() or layer=."
        raise InputScaleError(msg)
    at = None if expression.name == "X" else layer or "counts"
    labels = clean_labels(_column(adata, rna, labels_key, "labels_key"), unlabeled_category=unlabeled_category)
    batch = None if batch_key is None else _column(adata, rna, batch_key, "batch_key")
    if batch is not None and batch.isna().any():
        msg = f"obs[{batch_key!r}] is missing for {int(batch.isna().sum()):,} cells; every cell needs its batch."
        raise InputValueError(msg)
    known = _known(adata)
    manager = _manager(model, at, unlabeled_category, batch_key, modality)
    with _quiet(), _taken_back(adata, rna):
        if batch is not None and batch_key not in rna.obs:
            rna.obs[batch_key] = batch.astype(str).astype("category")
        rna.obs[SETUP_LABELS] = pd.Categorical(np.where(labels == "", unlabeled_category, labels))
        manager.register_fields(adata)
    states = manager.registry["field_registries"]
    mapping = [str(c) for c in states["labels"]["state_registry"]["categorical_mapping"]]
    batches = states["batch"]["state_registry"]["categorical_mapping"] if batch_key is not None else []
    found = Setup(
        model=model,
        genes=[str(g) for g in rna.var_names],
        classes=sorted(c for c in mapping if c != unlabeled_category),
        layer=at,
        labels_key=labels_key,
        unlabeled_category=unlabeled_category,
        batch_key=batch_key,
        batches=[str(b) for b in batches],
        modality=modality,
        scvi_version=str(manager.registry["scvi_version"]),
    )
    found = known[model] if known.get(model) == found else found  # of many set-ups the genes are kept once
    mark = str(adata.uns[MARK])
    _SETUPS[mark], _OBJECTS[mark] = {**known, model: found}, adata
    return found


def find(adata: "AnnData | MuData", model: str) -> Setup:
    """Return what was registered for an object, or for the one that it is a copy or a part of."""
    found = _known(adata if is_mudata(adata) else only_anndata(adata)).get(model)
    if found is None:
        kind = "mudata" if is_mudata(adata) else "anndata"
        msg = f"This object is not set up for {model} in this Python process. Call sgt.models.{model}.setup_{kind}(…) first."
        raise MissingKeyError(msg)
    return found


def _known(adata: "AnnData | MuData") -> dict[str, Setup]:
    """Return by model what was registered for an object."""
    mark = str(adata.uns.get(MARK))
    if mark not in _SETUPS:  # a model of scvi-tools has set the object up since, and written its own
        mark = next((m for m, one in reversed(list(_OBJECTS.items())) if one is adata), "")
    return _SETUPS.get(mark, {})


def of_modality(adata: "AnnData | MuData", modality: str | None) -> "AnnData":
    """Return the AnnData that holds the expression."""
    if modality is None or not is_mudata(adata):
        return only_anndata(adata)
    if modality not in adata.mod:
        msg = f"modalities={{'rna': {modality!r}}} is no modality; there is: {', '.join(map(printable, adata.mod))}."
        raise MissingKeyError(msg)
    return adata.mod[modality]


def check_labels(found: Setup, adata: "AnnData | MuData") -> None:
    """Refuse an object without the column of labels, from which training reads them again, or with labels that came after the setup."""
    labels = _column(adata, of_modality(adata, found.modality), found.labels_key, "labels_key")
    clean = clean_labels(labels, unlabeled_category=found.unlabeled_category)
    new = sorted(set(clean) - {*found.classes, found.unlabeled_category, ""})
    if new:
        n, kind = int(np.isin(clean, new).sum()), "anndata" if found.modality is None else "mudata"
        msg = (
            f"obs[{printable(found.labels_key)!r}] holds {listed(new)} now, in {counted(n, 'cell')}, which was no label at the setup. Call "
            f"sgt.models.{found.model}.setup_{kind}(…) again and make a new model, or write {printable(found.unlabeled_category)!r} there."
        )
        raise LabelError(msg)


def transfer(found: Setup, adata: "AnnData | MuData", *, use_rep: str | None = None) -> "AnnData":
    """Lay an object out over the registered genes and check it against the registry.

    Parameters
    ----------
    found
        What was registered.
    adata
        The object that was set up, or new cells; genes in any order.
    use_rep
        Key of ``obsm`` that is taken along.

    Returns
    -------
    AnnData
        A new object with the expression in ``X``, ``obs["_scvi_labels"]`` (the class, ``len(classes)`` where there is no label or one
        that the registry does not know) and ``obs["batch"]`` (-1 where unknown).

    Raises
    ------
    GeneMatchError
        If it has fewer than a fifth of the registered genes.
    MissingKeyError
        If there is no such layer or ``use_rep``.
    InputTypeError, InputValueError
        If ``use_rep`` holds no vectors of finite numbers.
    """
    import anndata as ad

    rna = of_modality(adata, found.modality)
    layer = found.layer if found.layer is None or found.layer in rna.layers else _no_layer(found, rna)
    matrix = _over_genes(rna, layer, found.genes)
    labels = np.full(rna.n_obs, found.unlabeled_category, dtype=object)
    if _has(adata, rna, found.labels_key):
        column = _column(adata, rna, found.labels_key, "labels_key")
        clean = clean_labels(column, unlabeled_category=found.unlabeled_category)
        labels = np.where(np.isin(clean, found.classes), clean, found.unlabeled_category)
    batch = np.full(rna.n_obs, -1)
    if found.batch_key is not None and _has(adata, rna, found.batch_key):
        column = _column(adata, rna, found.batch_key, "batch_key").astype(str)
        batch = pd.Categorical(column, categories=found.batches).codes.astype(np.int64)
    obs = pd.DataFrame({SETUP_LABELS: pd.Categorical(labels), "batch": batch}, index=rna.obs_names)
    out = ad.AnnData(matrix, obs=obs, var=pd.DataFrame(index=pd.Index(found.genes)))
    if use_rep is not None:
        out.obsm[use_rep] = own_vectors(rna, use_rep)
    source = _manager(found.model, None, found.unlabeled_category, None, None)
    with _quiet():
        source.register_fields(out, source_registry=_registry(found))
    return out


def _registry(found: Setup) -> dict[str, Any]:
    """Return the part of a registry of scvi-tools that is needed to check a new object."""
    mapping = np.array([*found.classes, found.unlabeled_category], dtype=object)
    states = {
        "X": {"n_obs": 0, "n_vars": len(found.genes), "column_names": np.array(found.genes)},
        "labels": {
            "categorical_mapping": mapping,
            "original_key": SETUP_LABELS,
            "unlabeled_category": found.unlabeled_category,
        },
    }
    return {"field_registries": {key: {"state_registry": state} for key, state in states.items()}}


def _manager(
    model: str, layer: str | None, unlabeled: str, batch_key: str | None, modality: str | None
) -> "AnnDataManager":
    from scvi.data import AnnDataManager, fields
    from scvi.data._manager import AnnDataManagerValidationCheck

    mu, prefix = ({"mod_key": modality}, "MuData") if modality is not None else ({}, "")
    # counts or not was looked at already, and scvi-tools cannot in every matrix; correct_data_format would rewrite the user's
    chosen = [
        getattr(fields, f"{prefix}LayerField")("X", layer, is_count_data=False, correct_data_format=False, **mu),
        getattr(fields, f"{prefix}LabelsWithUnlabeledObsField")("labels", SETUP_LABELS, unlabeled, **mu),
    ]
    if batch_key is not None:
        chosen.append(getattr(fields, f"{prefix}CategoricalObsField")("batch", batch_key, **mu))
    arguments = {"model_name": model, "setup_args": {"layer": layer, "batch_key": batch_key}}
    check = AnnDataManagerValidationCheck(check_fully_paired_mudata=False)  # other modalities are not looked at
    return AnnDataManager(fields=chosen, setup_method_args=arguments, validation_checks=check)


@contextmanager
def _taken_back(adata: "AnnData | MuData", rna: "AnnData") -> Iterator[None]:
    """Give ``obs`` and ``uns`` back as they were if registering ends in an error."""
    obs, uns = rna.obs.copy(deep=False), dict(adata.uns)
    try:
        yield
    except BaseException:
        rna.obs = obs
        for key in set(adata.uns) - set(uns):
            del adata.uns[key]
        adata.uns.update(uns)
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep scvi-tools from warning of small classes, which are reported here in the words of this package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _has(adata: "AnnData | MuData", rna: "AnnData", key: str) -> bool:
    return key in rna.obs or key in adata.obs


def _column(adata: "AnnData | MuData", rna: "AnnData", key: str, what: str) -> pd.Series:
    """Return a column of ``obs`` of the modality, or of the MuData for the cells of the modality."""
    if key not in rna.obs and key in adata.obs:
        return column_of(adata.obs, key, what).reindex(rna.obs_names)
    return column_of(rna.obs, key, what)


def _no_layer(found: Setup, rna: "AnnData") -> str:
    msg = f"layers[{found.layer!r}], which was registered, is not here; there is: {', '.join(map(printable, rna.layers)) or 'none'}."
    raise MissingKeyError(msg)


def _over_genes(rna: "AnnData", layer: str | None, genes: list[str]) -> sp.csr_matrix:
    """Return the expression over some genes, in their order; a gene that is not there is zero."""
    expression = open_expression(rna, layer="X" if layer is None else layer, every_feature=True)
    if len(genes) == rna.n_vars and list(rna.var_names) == genes:
        blocks = [block for _, block in expression.rows()]
        return sp.csr_matrix(sp.vstack(blocks, format="csr"))
    at = pd.Index(rna.var_names.astype(str)).get_indexer(genes) if rna.var_names.is_unique else _first(rna, genes)
    here = np.flatnonzero(at >= 0)
    share = len(here) / len(genes)
    if share < WARN_SHARE:
        msg = f"{len(here):,} of the {len(genes):,} registered genes are here ({100 * share:.0f} %)"
        if share < REFUSE_SHARE:
            some = ", ".join(map(printable, genes[:3]))
            msg += f"; at least {100 * REFUSE_SHARE:.0f} % are wanted. Are var_names of the same kind (such as {some})?"
            raise GeneMatchError(msg)
        warn(f"{msg}; the others count as not expressed.")
    entries = (np.ones(len(here), dtype=np.float32), (at[here], here))
    to_genes = sp.csr_array(sp.coo_array(entries, shape=(rna.n_vars, len(genes))))
    blocks = [sp.csr_array(block @ to_genes) for _, block in expression.rows()]
    return sp.csr_matrix(sp.vstack(blocks, format="csr"))


def _first(rna: "AnnData", genes: list[str]) -> np.ndarray:
    names = pd.Series(np.arange(rna.n_vars), index=rna.var_names.astype(str))
    twice = names.index[names.index.duplicated() & names.index.isin(genes)].unique()
    if len(twice):
        msg = f"var_names hold {listed(twice)} more than once; the first is taken. Call adata.var_names_make_unique() in all objects."
        warn(msg)
    return names[~names.index.duplicated()].reindex(genes, fill_value=-1).to_numpy()
