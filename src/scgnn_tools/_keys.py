"""Every name that the package writes into an AnnData, in one place: no other module spells such a name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scgnn_tools._errors import InputTypeError
from scgnn_tools._log import printable

ROOT = "sgt"
"""``uns`` entry that holds what is written by no ``key_added``: embedding parameters, gene reports."""

LABEL = "sgt_label"
"""Default ``key_added`` of :func:`scgnn_tools.tl.annotate`."""

GRN = "sgt_grn"
"""Default ``key_added`` of :func:`scgnn_tools.tl.infer_grn`."""

ACTIVITY = "sgt_activity"
"""Default ``key_added`` of :func:`scgnn_tools.tl.tf_activity`."""

TF_KNOCKOUT = "sgt_tf_knockout"
"""Default ``key_added`` of :func:`scgnn_tools.tl.tf_knockout`."""

INTEGRATED = "sgt_integrated"
"""Default ``key_added`` of :func:`scgnn_tools.tl.integrate`."""

PERTURB = "sgt_perturb"
"""Default ``key_added`` of :func:`scgnn_tools.tl.perturb`."""

KNOCKOUT = "sgt_knockout"
"""Default ``key_added`` of :func:`scgnn_tools.tl.knockout_bulk`."""

IN_SILICO = "sgt_in_silico"
"""Default ``key_added`` of :func:`scgnn_tools.tl.in_silico`."""

GENES = "genes"
"""Entry of ``uns["sgt"]`` that :func:`scgnn_tools.pp.match_genes` writes."""

EXPLAIN = "sgt_explain"
"""Default ``key_added`` of :func:`scgnn_tools.tl.explain`."""

SETUP = "setup_cgc"
"""Entry of ``uns["sgt"]`` that ``sgt.models.CGC.setup_anndata`` writes."""

SETUP_FINETUNER = "setup_finetuner"
"""Entry of ``uns["sgt"]`` that ``sgt.models.FineTuner.setup_anndata`` writes."""

SETUP_PERTURB = "setup_perturb"
"""Entry of ``uns["sgt"]`` that ``sgt.models.Perturb.setup_anndata`` writes."""

SETUP_LABELS = "_sgt_labels"
"""Column of ``obs`` that ``setup_anndata`` of the cell-label models writes: the labels without blanks, gaps filled in."""

SETUP_SCNETFORMER = "setup_scnetformer"
"""Entry of ``uns["sgt"]`` that ``sgt.models.ScNetFormer.setup_anndata`` writes."""

SETUP_LINKS = {"scregnet": "setup_scregnet", "sctransnet": "setup_sctransnet"}
"""Entries of ``uns["sgt"]`` that ``setup_anndata`` of the link models writes, by method."""

WRITER = "scgnn_tools"
"""Entry of the ``params`` of every result in ``uns``: the version of the package that wrote it, by which its results are known."""

WRITTEN = "written"
"""Entry of the ``params`` of a result whose name does not begin with "sgt": all that it wrote, "obs/name" a line."""

MATRIX = "_sgt_matrix"
"""Entry of ``uns`` of objects that the package makes for itself: what ``X`` holds. Never written into an object of the user."""
IN_ROOT = (GENES, SETUP, SETUP_FINETUNER, SETUP_PERTURB, SETUP_SCNETFORMER, *SETUP_LINKS.values())
"""Entries of ``uns["sgt"]`` that are no embeddings."""

UNKNOWN = "Unknown"
"""Category of a cell that gets no label."""

Written = Mapping[str, Iterable[str]]
"""Container (``obs``, ``obsm``, ``uns``, …) to the names that a result takes there."""


class _Named:
    """The name of a result: a text, whoever asks for it."""

    key: str

    def __post_init__(self) -> None:
        if not isinstance(self.key, str):
            msg = f"The name of a result is a text, for example {LABEL!r}; got {printable(repr(self.key))}."
            raise InputTypeError(msg)


@dataclass(frozen=True)
class EmbeddingKeys(_Named):
    """Where the embedding called ``key`` lives."""

    key: str

    @property
    def obsm(self) -> str:
        """``obsm``: one vector a cell."""
        return f"X_{self.key}"

    @property
    def varm(self) -> str:
        """``varm``: one vector a gene."""
        return self.key

    @property
    def uns(self) -> str:
        """Entry of ``uns["sgt"]``: parameters, gene report, checksum, licence."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"obsm": (self.obsm,), "varm": (self.varm,)}


@dataclass(frozen=True)
class LabelKeys(_Named):
    """Where the annotation called ``key`` lives."""

    key: str = LABEL

    @property
    def obs(self) -> str:
        """``obs``: the label."""
        return self.key

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of ``obs``."""
        return (
            self.obs,
            self.confidence,
            self.reason,
            self.novelty,
            self.ontology,
            self.agreement,
            self.majority,
            self.majority_share,
        )

    @property
    def confidence(self) -> str:
        """``obs``: the calibrated probability of the label."""
        return f"{self.key}_confidence"

    @property
    def reason(self) -> str:
        """``obs``: why a cell is Unknown."""
        return f"{self.key}_reason"

    @property
    def novelty(self) -> str:
        """``obs``: how unlike the reference a cell is; above 1 it is Unknown."""
        return f"{self.key}_novelty"

    @property
    def ontology(self) -> str:
        """``obs``: the id of the label in the hierarchy that was given."""
        return f"{self.key}_ontology_term_id"

    @property
    def agreement(self) -> str:
        """``obs``: the share of the members of an ensemble that give the cell its likeliest class."""
        return f"{self.key}_agreement"

    @property
    def majority(self) -> str:
        """``obs``: the label that most cells of the cell's cluster have."""
        return f"{self.key}_majority"

    @property
    def majority_share(self) -> str:
        """``obs``: the share of the cells of the cluster that have it."""
        return f"{self.key}_majority_share"

    @property
    def set(self) -> str:
        """``obsm``: a DataFrame, whether a class is in a cell's conformal set."""
        return f"{self.key}_set"

    @property
    def proba(self) -> str:
        """``obsm``: a DataFrame, one calibrated probability a class."""
        return f"{self.key}_proba"

    @property
    def uns(self) -> str:
        """``uns``: metrics of the method and its baselines, parameters."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"obs": self.columns, "obsm": (self.set, self.proba), "uns": (self.uns,)}


@dataclass(frozen=True)
class ExplainKeys(_Named):
    """Where the explanation called ``key`` lives."""

    key: str = EXPLAIN

    @property
    def uns(self) -> str:
        """``uns``: ``genes`` and ``dimensions`` by class, ``entries``, ``parts``, ``params``."""
        return self.key

    def part(self, name: str) -> str:
        """``obs``: the label that one part of the method gives."""
        return f"{self.key}_{name}"


@dataclass(frozen=True)
class ProgramKeys(_Named):
    """Where the gene programs called ``key`` live."""

    key: str = "sgt_programs"

    @property
    def var(self) -> str:
        """``var``: the program of each gene."""
        return self.key

    @property
    def obsm(self) -> str:
        """``obsm``: a DataFrame, the score of each program in each cell."""
        return self.key

    @property
    def uns(self) -> str:
        """``uns``: ``scores`` by group, ``separation``, ``params``."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"var": (self.var,), "obsm": (self.obsm,), "uns": (self.uns,)}


@dataclass(frozen=True)
class GraphKeys(_Named):
    """Where the graph called ``key`` lives: the matrix in ``obsp`` or ``varp``, its parameters in ``uns``."""

    key: str

    @property
    def matrix(self) -> str:
        """``obsp`` or ``varp``."""
        return self.key

    @property
    def uns(self) -> str:
        """``uns``: ``{"params": {...}}``."""
        return self.key


@dataclass(frozen=True)
class GrnKeys(_Named):
    """Where the network called ``key`` lives."""

    key: str = GRN

    @property
    def uns(self) -> str:
        """``uns``: ``edges``, ``evaluation``, ``params``."""
        return self.key

    @property
    def varp(self) -> str:
        """``varp``: the scores of the edges, TF by target, CSR."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"varp": (self.varp,), "uns": (self.uns,)}


@dataclass(frozen=True)
class ActivityKeys(_Named):
    """Where the activities of transcription factors called ``key`` live."""

    key: str = ACTIVITY

    @property
    def obsm(self) -> str:
        """``obsm``: a DataFrame, the activity of each factor in each cell."""
        return self.key

    @property
    def padj(self) -> str:
        """``obsm``: a DataFrame, the adjusted p-values of a method that tests."""
        return f"{self.key}_padj"

    @property
    def uns(self) -> str:
        """``uns``: ``params``."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"obsm": (self.obsm, self.padj), "uns": (self.uns,)}


@dataclass(frozen=True)
class KnockoutKeys(_Named):
    """Where the knock-out of a transcription factor called ``key`` lives."""

    key: str = TF_KNOCKOUT

    @property
    def shift(self) -> str:
        """``obsm``: where each cell goes, in principal components."""
        return self.key

    @property
    def start(self) -> str:
        """``obsm``: where each cell is, in the same components."""
        return f"X_{self.key}"

    @property
    def towards(self) -> str:
        """``obsm``: a DataFrame, how far each cell goes towards each cell type."""
        return f"{self.key}_towards"

    @property
    def uns(self) -> str:
        """``uns``: ``towards``, ``shift``, ``genes``, ``verdict``, ``params``."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"obsm": (self.shift, self.start, self.towards), "uns": (self.uns,)}


@dataclass(frozen=True)
class IntegrationKeys(_Named):
    """Where the integration called ``key`` lives."""

    key: str = INTEGRATED

    @property
    def obsm(self) -> str:
        """``obsm``: one vector a cell."""
        return f"X_{self.key}"

    @property
    def uns(self) -> str:
        """``uns``: ``evaluation``, ``verdict``, ``history``, ``params``."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"obsm": (self.obsm,), "uns": (self.uns,)}


@dataclass(frozen=True)
class PerturbationKeys(_Named):
    """Where the prediction of perturbations called ``key`` lives."""

    key: str = PERTURB

    @property
    def varm(self) -> str:
        """``varm``: a DataFrame, the change of each gene by what was asked for."""
        return f"{self.key}_change"

    @property
    def uns(self) -> str:
        """``uns``: ``predictions``, ``evaluation``, ``verdict``, ``params``."""
        return self.key

    @property
    def fields(self) -> Written:
        """All of them."""
        return {"varm": (self.varm,), "uns": (self.uns,)}
