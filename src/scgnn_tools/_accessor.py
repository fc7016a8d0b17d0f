"""The accessor ``adata.sgt``: the calls of ``sgt.tl`` on an AnnData, one dot away."""

from typing import TYPE_CHECKING, Any

from anndata import AnnData, register_anndata_namespace

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from scgnn_tools.grn.compare import GrnComparison
    from scgnn_tools.grn.judge import GrnEvaluation


@register_anndata_namespace("sgt")
class SgtAccessor:
    """``adata.sgt.embed()`` is ``sgt.tl.embed(adata)``; likewise the others, keyword for keyword."""

    def __init__(self, adata: AnnData) -> None:
        self._adata = adata

    def embed(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.embed` on this object."""
        from scgnn_tools.tl import embed

        return embed(self._adata, *args, **kwargs)

    def annotate(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.annotate` on this object."""
        from scgnn_tools.tl import annotate

        return annotate(self._adata, *args, **kwargs)

    def explain(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.explain` on this object."""
        from scgnn_tools.tl import explain

        return explain(self._adata, *args, **kwargs)

    def infer_grn(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.infer_grn` on this object."""
        from scgnn_tools.tl import infer_grn

        return infer_grn(self._adata, *args, **kwargs)  # type: ignore[return-value]

    def grn_from_edges(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.grn_from_edges` on this object."""
        from scgnn_tools.tl import grn_from_edges

        return grn_from_edges(self._adata, *args, **kwargs)  # type: ignore[return-value]

    def compare_grn(self, *args: Any, **kwargs: Any) -> "GrnComparison":
        """Call :func:`scgnn_tools.tl.compare_grn` on this object."""
        from scgnn_tools.tl import compare_grn

        return compare_grn(self._adata, *args, **kwargs)

    def noise_study(self, *args: Any, **kwargs: Any) -> "pd.DataFrame":
        """Call :func:`scgnn_tools.tl.noise_study` on this object."""
        from scgnn_tools.tl import noise_study

        return noise_study(self._adata, *args, **kwargs)

    def tf_knockout(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.tf_knockout` on this object."""
        from scgnn_tools.tl import tf_knockout

        return tf_knockout(self._adata, *args, **kwargs)  # type: ignore[return-value]

    def integrate(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.integrate` on this object."""
        from scgnn_tools.tl import integrate

        return integrate(self._adata, *args, **kwargs)  # type: ignore[return-value]

    def perturb(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.perturb` on this object."""
        from scgnn_tools.tl import perturb

        return perturb(self._adata, *args, **kwargs)  # type: ignore[return-value]

    def knockout_bulk(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.knockout_bulk` on this object."""
        from scgnn_tools.tl import knockout_bulk

        return knockout_bulk(self._adata, *args, **kwargs)  # type: ignore[return-value]

    def in_silico(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.in_silico` on this object."""
        from scgnn_tools.tl import in_silico

        return in_silico(self._adata, *args, **kwargs)  # type: ignore[return-value]

    def gene_programs(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.gene_programs` on this object."""
        from scgnn_tools.tl import gene_programs

        return gene_programs(self._adata, *args, **kwargs)

    def classify_genes(self, *args: Any, **kwargs: Any) -> "pd.DataFrame":
        """Call :func:`scgnn_tools.tl.classify_genes` on this object."""
        from scgnn_tools.tl import classify_genes

        return classify_genes(self._adata, *args, **kwargs)

    def evaluate_grn(self, *args: Any, **kwargs: Any) -> "GrnEvaluation":
        """Call :func:`scgnn_tools.tl.evaluate_grn` on this object."""
        from scgnn_tools.tl import evaluate_grn

        return evaluate_grn(self._adata, *args, **kwargs)

    def export_grn(self, *args: Any, **kwargs: Any) -> "Path":
        """Call :func:`scgnn_tools.tl.export_grn` on this object."""
        from scgnn_tools.tl import export_grn

        return export_grn(self._adata, *args, **kwargs)

    def regulons(self, *args: Any, **kwargs: Any) -> "pd.DataFrame":
        """Call :func:`scgnn_tools.tl.regulons` on this object."""
        from scgnn_tools.tl import regulons

        return regulons(self._adata, *args, **kwargs)

    def tf_activity(self, *args: Any, **kwargs: Any) -> AnnData | None:
        """Call :func:`scgnn_tools.tl.tf_activity` on this object."""
        from scgnn_tools.tl import tf_activity

        return tf_activity(self._adata, *args, **kwargs)  # type: ignore[return-value]
