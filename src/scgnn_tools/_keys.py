"""Every name that the package writes into an AnnData, in one place.

No other module spells such a name: it calls these functions.
"""

from dataclasses import dataclass

ROOT = "sgt"
"""``uns`` entry that holds what is written by no ``key_added``: embedding parameters, gene reports."""

LABEL = "sgt_label"
"""Default ``key_added`` of :func:`scgnn_tools.tl.annotate`."""

GRN = "sgt_grn"
"""Default ``key_added`` of :func:`scgnn_tools.tl.infer_grn`."""

ACTIVITY = "sgt_activity"
"""Default ``key_added`` of :func:`scgnn_tools.tl.tf_activity`."""

GENES = "genes"
"""Entry of ``uns["sgt"]`` that :func:`scgnn_tools.pp.match_genes` writes."""

EXPLAIN = "sgt_explain"
"""Default ``key_added`` of :func:`scgnn_tools.tl.explain`."""

SETUP = "setup_cgc"
"""Entry of ``uns["sgt"]`` that ``sgt.models.CGC.setup_anndata`` writes."""

SETUP_LABELS = "_sgt_labels"
"""Column of ``obs`` that ``setup_anndata`` of the cell-label models writes: the labels without blanks, gaps filled in."""

SETUP_SCNETFORMER = "setup_scnetformer"
"""Entry of ``uns["sgt"]`` that ``sgt.models.ScNetFormer.setup_anndata`` writes."""

SETUP_LINKS = {"scregnet": "setup_scregnet", "sctransnet": "setup_sctransnet"}
"""Entries of ``uns["sgt"]`` that ``setup_anndata`` of the link models writes, by method."""

MATRIX = "_sgt_matrix"
"""Entry of ``uns`` of objects that the package makes for itself: what ``X`` holds. Never written into an object of the user."""

UNKNOWN = "Unknown"
"""Category of a cell that gets no label."""


@dataclass(frozen=True)
class EmbeddingKeys:
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


@dataclass(frozen=True)
class LabelKeys:
    """Where the annotation called ``key`` lives."""

    key: str = LABEL

    @property
    def obs(self) -> str:
        """``obs``: the label."""
        return self.key

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


@dataclass(frozen=True)
class ExplainKeys:
    """Where the explanation called ``key`` lives."""

    key: str = EXPLAIN

    @property
    def uns(self) -> str:
        """``uns``: ``genes`` and ``dimensions`` by class, ``parts``, ``params``."""
        return self.key

    def part(self, name: str) -> str:
        """``obs``: the label that one part of the method gives."""
        return f"{self.key}_{name}"


@dataclass(frozen=True)
class ProgramKeys:
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


@dataclass(frozen=True)
class GraphKeys:
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
class GrnKeys:
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


@dataclass(frozen=True)
class ActivityKeys:
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
