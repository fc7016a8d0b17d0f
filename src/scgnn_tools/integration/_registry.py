"""All integration methods: one line each."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from scgnn_tools._doors import door
from scgnn_tools._methods import Place, known, make
from scgnn_tools.integration._protocol import IntegrationMethod


@dataclass(frozen=True)
class Entry(Place):
    """Where a method lives and what it is.

    Attributes
    ----------
    module, cls
        Where.
    kind
        "baseline" for what others have to beat.
    needs
        "vectors" for a method that corrects vectors, "expression" for one that takes log-normalised values, "counts" for one that takes
        raw counts, "tokens" for a network over genes.
    inductive
        Whether cells that were not fitted can be mapped, each by itself.
    sees_labels
        Whether it learns from labels; its scores against the same labels are then no test.
    least_cells
        Fewer cells are refused.
    network
        Whether a foundation model is tuned, which is saved in a folder beside the arrays of the method.
    subtracts_means
        Whether it takes the mean of each batch away, so that part of the batch score (PCR) is won by construction.
    """

    kind: Literal["method", "baseline"]
    needs: Literal["vectors", "expression", "counts", "tokens"] = "vectors"
    inductive: bool = False
    sees_labels: bool = False
    least_cells: int = 2
    network: bool = False
    subtracts_means: bool = False


METHODS = {
    "none": Entry("scgnn_tools.integration.none", "Uncorrected", "baseline", inductive=True),
    "center": Entry("scgnn_tools.integration.center", "Center", "baseline", inductive=True, subtracts_means=True),
    "combat": Entry("scgnn_tools.integration.combat", "Combat", "baseline", "expression", subtracts_means=True),
    "harmony": Entry("scgnn_tools.integration.harmony", "Harmony", "baseline"),
    "scvi": Entry("scgnn_tools.integration.scvi", "ScVI", "baseline", "counts", inductive=True, least_cells=100),
    "scanvi": Entry(
        "scgnn_tools.integration.scvi",
        "ScanVIBatches",
        "baseline",
        "counts",
        inductive=True,
        sees_labels=True,
        least_cells=100,
    ),
    "cgc": Entry(
        "scgnn_tools.integration.cgc", "CGCBatches", "method", "tokens", inductive=True, least_cells=100, network=True
    ),
    "scgpt": Entry(
        "scgnn_tools.integration.scgpt",
        "ScGPTBatches",
        "method",
        "tokens",
        inductive=True,
        least_cells=100,
        network=True,
    ),
}


def entry(name: str) -> Entry:
    """Return what is known of a method."""
    return known(METHODS, "integration method", name)


@door
def integration_method(name: str, **options: Any) -> IntegrationMethod:
    """Return a new, unfitted method by its name.

    ``device`` and ``max_epochs`` may be given for every method; a method without them ignores them. Any other option
    that the method lacks is an error.

    Examples
    --------
    >>> codes = adata.obs["batch"].cat.codes.to_numpy().astype(int)
    >>> method = sgt.integration.integration_method("center")
    >>> method.fit(sgt.integration.Batches(adata.obsm["X_pca"], codes), rng=0).shape
    (206, 20)
    """
    return cast("IntegrationMethod", make(entry(name).load(), name, options))
