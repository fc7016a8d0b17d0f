"""What every link predictor can do."""

from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._columns import check_table
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._log import counted, printable

if TYPE_CHECKING:
    from anndata import AnnData


class LinkPredictor(Protocol):
    """Learns from labelled pairs of genes and scores others.

    What a predictor is besides stands in its entry of the registry; the protocols below say, flag by flag, what it then has.
    """

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "LinkPredictor":
        """Learn.

        Parameters
        ----------
        pairs
            ``tf``, ``target``, ``label`` (1 or 0).
        validation
            Pairs to stop on; a method that needs them takes a tenth of ``pairs`` if None.
        genes
            All genes that may be asked for; None takes those of the pairs and of what else is given.
        expression
            Log-normalised expression, ``var_names`` the genes.
        embedding
            A vector a gene, indexed by gene.
        """
        ...

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return a score for each pair, higher is likelier, float64 (n_pairs,); NaN where the method cannot tell."""
        ...


class Interruptible(LinkPredictor, Protocol):
    """``Entry.interruptible``: Ctrl-C leaves it with the best weights so far."""

    interrupted: bool


class WithMessages(LinkPredictor, Protocol):
    """``Entry.messages``: the edges that messages pass over, CSR (n_nodes, n_nodes), and the names of the nodes."""

    message_graph: sp.csr_array

    @property
    def nodes(self) -> np.ndarray:
        """Names of the nodes, object (n_nodes,)."""
        ...


class WithEvidence(LinkPredictor, Protocol):
    """``Entry.evidence``."""

    def evidence(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return what the score of each pair is made of, a row a pair."""
        ...


class Saved(LinkPredictor, Protocol):
    """``Entry.saved``: it can be made again from what it says of itself."""

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays by name, and what JSON can hold."""
        ...

    def restore(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> Self:
        """Become what :meth:`state` was asked of; it was made with the same options."""
        ...


class Modelled(Saved, Interruptible, WithMessages, Protocol):
    """``Entry.modelled``: ``sgt.models`` has a class of it."""

    history: pd.DataFrame
    """An epoch a row, after :meth:`fit`."""

    def train_all_epochs(self) -> None:
        """Let :meth:`fit` train all epochs and keep the last weights."""
        ...

    def score_grid(self, tfs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the score of every factor with every target, float32 (n_tfs, n_targets); NaN where a gene is not known."""
        ...

    def represent(self) -> pd.DataFrame:
        """Return what its head sees of each gene, float32, indexed by gene."""
        ...


def needs(what: object, name: str, method: str) -> None:
    """Refuse a call without something that the method needs."""
    if what is None:
        msg = f"{method} needs {name}=; it was not given. See sgt.models.link_predictor."
        raise InputValueError(msg)


def need_fit(predictor: object, learnt: str) -> None:
    """Refuse a predictor that lacks what :meth:`LinkPredictor.fit` sets."""
    if learnt not in vars(predictor):
        msg = f"This {type(predictor).__name__} knows no genes yet. Call fit() first."
        raise InputValueError(msg)


def check_vectors(embedding: Any) -> pd.DataFrame:
    """Return vectors of genes, or say how they are passed."""
    if not isinstance(embedding, pd.DataFrame):
        seen = f"{type(embedding).__name__} {getattr(embedding, 'shape', '')}".strip()
        msg = f"embedding= is a DataFrame with a gene in each row; got {seen}. Pass pd.DataFrame(vectors, index=genes)."
        raise InputTypeError(msg)
    return embedding


@door_of_arrays
def check_pairs(pairs: pd.DataFrame, *, labelled: bool = True) -> pd.DataFrame:
    """Return the pairs with names as text; refuse a table without the columns that are wanted, or without both labels."""
    wanted = ["tf", "target", "label"] if labelled else ["tf", "target"]
    check_table(pairs, wanted, "pairs")
    if labelled and set(pd.unique(pairs["label"])) != {0, 1}:
        seen = ", ".join(map(printable, pd.unique(pairs["label"])[:5]))
        msg = f"Training pairs hold labels 0 and 1, both; got {seen or 'none'} in {counted(len(pairs), 'pair')}."
        if seen in ("", "0", "1"):
            msg += " These are too few to learn from: pass a prior of more factors and edges, or one of genes that have vectors."
        raise InputValueError(msg)
    for c in ("tf", "target"):
        nameless = int(pairs[c].isna().sum())
        if nameless:
            msg = f"pairs[{c!r}] has no name in {counted(nameless, 'row')}. Pass pairs.dropna(subset=['tf', 'target'])."
            raise InputValueError(msg)
    names = {c: pairs[c].astype(str).astype(object) for c in ("tf", "target")}  # categories would not map to numbers
    return pairs.assign(**names)
