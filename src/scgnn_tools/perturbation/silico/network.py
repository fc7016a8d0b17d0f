"""Networks over tokens: a cell and its perturbed versions in packed batches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools._progress import progress
from scgnn_tools.data import Tokens
from scgnn_tools.perturbation.silico.editing import Edit, deleted, to_front, turned_up
from scgnn_tools.perturbation.silico.shifts import Shifts, cosines

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

UNBOUND = 2**31
"""Tokens of a model that takes every gene."""


def check_model(model: "NetworkModel") -> None:
    """Refuse a network whose cells cannot be edited gene by gene."""
    if model.gene_input is None:
        msg = (
            f"{model.card.name} cannot be perturbed in silico; these can: the bundled linear models, geneformer, scgpt, cgc, scfoundation "
            "and scbert. Pass model='cgc-mini' for all genes at once."
        )
        raise InputValueError(msg)


def vectors(model: "NetworkModel", tokens: Tokens) -> np.ndarray:
    """Return the vectors of cells that are compared: the mean over the genes' states of a model of ranks, else the model's own."""
    out = []
    for some in _batches(model.lengths(tokens), model.max_tokens):
        part = tokens.select(some)
        if model.gene_input == "value":
            out.append(model.cell_vectors(part))
            continue
        states = model.forward(part).cpu().numpy()
        own = model.gene_of_token(part) >= 0
        out.append(_mean_of(states, own, part.offsets))
    return np.concatenate(out).astype(np.float64)


def shifts(
    model: "NetworkModel",
    tokens: Tokens,
    genes: np.ndarray,
    kind: str,
    *,
    together: bool,
    insert: bool,
    states: dict[str, np.ndarray],
    by_gene: bool = False,
) -> Shifts:
    """Return what perturbing genes does to each cell.

    Parameters
    ----------
    model
        A network of ranks or bins.
    tokens
        Of the cells.
    genes
        Positions in the vocabulary.
    kind
        "delete" or "overexpress".
    together
        All genes at once.
    insert
        Whether over-expression puts genes into cells that lack them.
    states
        Mean vector of each state, as :func:`vectors` gives them.
    by_gene
        Whether to average the cosines of the other genes' states, too.
    """
    sets = [model.ids[genes]] if together else [model.ids[[g]] for g in genes]
    out = Shifts.empty(tokens.n_cells, len(sets), list(states))
    total = np.zeros((len(sets), len(model.vocabulary)), dtype=np.float64) if by_gene else None
    seen = np.zeros(total.shape, dtype=np.int64) if total is not None else None
    for cell in progress(range(tokens.n_cells), total=tokens.n_cells, what="in silico", unit="cell"):
        own = tokens.select(np.array([cell]))
        edits = [(i, e) for i, ids in enumerate(sets) if (e := _edit(model, own, ids, kind, insert=insert)) is not None]
        hidden_places = int(model.lengths(own)[0]) - len(own.ids)  # of a model that has every gene as a token
        for some in _groups(edits, model.max_tokens, hidden_places):
            _compare(model, some, cell, out, states, total, seen)
    if total is None or seen is None:
        return out
    with np.errstate(invalid="ignore"):
        return Shifts(out.cosine, out.toward, (total / np.where(seen > 0, seen, np.nan), seen))


def _edit(model: "NetworkModel", own: Tokens, ids: np.ndarray, kind: str, *, insert: bool) -> Edit | None:
    special = model.gene_of_token(own) < 0
    if kind == "delete":
        return deleted(own.ids, own.values, ids, special)
    most = UNBOUND if model.longest is None else model.longest
    if model.gene_input == "rank":
        return to_front(own.ids, ids, special, most, insert=insert)
    values = np.ones(len(own.ids), dtype=np.float32) if own.values is None else own.values
    return turned_up(own.ids, values, ids, special, most, top=model.top_value(values[~special]), insert=insert)


def _groups(edits: list[tuple[int, Edit]], max_tokens: int, hidden_places: int = 0) -> Iterator[list[tuple[int, Edit]]]:
    """Yield edits whose tokens, before and after, and what a network has beside them of each cell, fit into a batch."""
    group: list[tuple[int, Edit]] = []
    n = 0
    for i, edit in edits:
        size = len(edit.ids) + len(edit.new_ids) + 2 * hidden_places
        if group and n + size > max_tokens:
            yield group
            group, n = [], 0
        group.append((i, edit))
        n += size
    if group:
        yield group


def _compare(
    model: "NetworkModel",
    some: list[tuple[int, Edit]],
    cell: int,
    out: Shifts,
    states: dict[str, np.ndarray],
    total: np.ndarray | None,
    seen: np.ndarray | None,
) -> None:
    """Run a batch and write what moved."""
    # the cell before is the same for all, unless genes were cut from it: then it is run once more
    before: dict[bytes, int] = {}
    sequences: list[tuple[np.ndarray, np.ndarray | None]] = []
    for _, edit in some:
        key = edit.ids.tobytes()
        if key not in before:
            before[key] = len(sequences)
            sequences.append((edit.ids, edit.values))
    place = [before[e.ids.tobytes()] for _, e in some]
    first = len(sequences)
    sequences += [(e.new_ids, e.new_values) for _, e in some]
    packed = _packed(sequences)
    ranks = model.gene_input == "rank"
    cells = None if ranks else model.cell_vectors(packed).astype(np.float64)
    hidden = model.forward(packed).cpu().numpy().astype(np.float64) if ranks or total is not None else None
    places = _places(model, packed)

    def place_of(sequence: int, kept: np.ndarray) -> np.ndarray:
        return places[packed.offsets[sequence] + kept]

    for n, (i, edit) in enumerate(some):
        old, new = place[n], first + n
        a = b = np.zeros((0, 1))
        if hidden is not None:
            a, b = hidden[place_of(old, edit.kept)], hidden[place_of(new, edit.new_kept)]
        each = cosines(a, b)
        if cells is None:
            one, other = a.mean(axis=0), b.mean(axis=0)
            out.cosine[cell, i] = each.mean() if len(each) else np.nan
        else:
            one, other = cells[old], cells[new]
            out.cosine[cell, i] = cosines(one[None], other[None])[0]
        for s, e in states.items():
            out.toward[s][cell, i] = cosines(other[None], e[None])[0] - cosines(one[None], e[None])[0]
        if total is not None and seen is not None:
            ids = edit.ids[edit.kept]
            of = model.gene_of_token(Tokens(ids, None, np.array([0, len(ids)])))
            total[i, of] += each
            seen[i, of] += 1


def _places(model: "NetworkModel", packed: Tokens) -> np.ndarray:
    """Return the row of each token among the hidden states: of a model that has every gene as a token its gene's, else its own."""
    lengths = model.lengths(packed)
    if (lengths == packed.lengths).all():
        return np.arange(len(packed.ids))
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return np.repeat(begins, packed.lengths) + packed.ids


def _packed(sequences: list[tuple[np.ndarray, np.ndarray | None]]) -> Tokens:
    ids = np.concatenate([i for i, _ in sequences])
    values = None if sequences[0][1] is None else np.concatenate([v for _, v in sequences if v is not None])
    return Tokens(ids, values, np.concatenate([[0], np.cumsum([len(i) for i, _ in sequences])]).astype(np.int64))


def _batches(lengths: np.ndarray, max_tokens: int) -> Iterator[np.ndarray]:
    start, n = 0, 0
    for i, length in enumerate(lengths):
        if i > start and n + length > max_tokens:
            yield np.arange(start, i)
            start, n = i, 0
        n += int(length)
    if len(lengths) > start:
        yield np.arange(start, len(lengths))


def _mean_of(states: np.ndarray, own: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the mean state of the genes of each cell."""
    cell = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[own]
    out = np.zeros((len(offsets) - 1, states.shape[1]))
    np.add.at(out, cell, states[own])
    return out / np.maximum(np.bincount(cell, minlength=len(out)), 1)[:, None]
