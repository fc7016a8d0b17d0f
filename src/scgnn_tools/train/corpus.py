"""Cells of many files as one endless, shuffled stream of batches that never is in memory as a whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools import genes
from scgnn_tools._choices import integer, share
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._log import printable, say
from scgnn_tools._progress import progress
from scgnn_tools.data import Expression, open_expression
from scgnn_tools.data.files import BROKEN, open_h5ad, open_zarr, parts_of
from scgnn_tools.data.normalize import log_normalize
from scgnn_tools.data.quality import poor_cells
from scgnn_tools.data.variable_genes import moments, variable_genes
from scgnn_tools.store import digest, digest_rows

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel

CHUNK_ROWS = 512
"""Neighbouring cells that are read at once."""

WINDOW = 16
"""Chunks, drawn from all files, whose cells are shuffled together."""

MOST_VALIDATION = 2048
OnBad = Literal["raise", "skip"]


@dataclass(frozen=True)
class Batch:
    """Some cells of a corpus.

    Attributes
    ----------
    index
        Of the batch, counted over all epochs.
    rows
        Their expression over the vocabulary, CSR float32.
    """

    index: int
    rows: sp.csr_array


@dataclass(frozen=True)
class _File:
    name: str
    expression: Expression
    to_vocabulary: sp.csr_array
    held: np.ndarray
    """Rows that are kept for validation, sorted."""
    left_out: np.ndarray
    """Rows of poor cells, which are neither trained on nor validated with, sorted."""


class Corpus:
    """Cells of files or of an AnnData, over the vocabulary of a model.

    Files stay on disk: chunks of 512 neighbouring cells are drawn from all of them, and the cells of 16 chunks are shuffled together.
    The order depends on the seed and the epoch alone, so that a run goes on where it stopped, on any number of processes.

    Parameters
    ----------
    sources
        AnnData objects, ``.h5ad`` files, ``.zarr`` folders, collections of annbatch, or folders of these.
    model
        Whose vocabulary the genes are matched to.
    validation
        Share of the cells that is never trained on; at most 2,048 cells.
    n_top_genes
        Genes of each file that are kept: those that vary most among its training cells; None keeps all. The paper of Cell-Graph Compass
        takes 10,000.
    min_genes, max_mito
        Cells with fewer expressed genes, or with a larger share of their counts in mitochondrial genes, are left out.
    layer, gene_key, organism
        As in :func:`scgnn_tools.tl.embed`.
    on_bad
        What a file gets that cannot be read or that has too few known genes: "raise" an error, or "skip" it with a warning.
    seed
        Of the cells for validation.
    """

    def __init__(
        self,
        sources: "Sequence[AnnData | str | Path]",
        model: "FoundationModel",
        *,
        validation: float = 0.02,
        n_top_genes: int | None = None,
        min_genes: int = 0,
        max_mito: float | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        on_bad: OnBad = "raise",
        seed: int = 0,
    ) -> None:
        validation = share("validation", validation)
        n_top_genes = integer("n_top_genes", n_top_genes, or_none=True)
        poor = {
            "min_genes": integer("min_genes", min_genes, least=0),
            "max_mito": share("max_mito", max_mito, or_none=True),
        }
        self.on_bad: OnBad = on_bad
        rng = np.random.default_rng([seed, 2])
        opened = []
        for name, adata in _open(sources, on_bad):
            with _Named(name, on_bad):
                expression = open_expression(adata, layer=layer)
                found = model.match_names(genes.gene_names(expression.var, gene_key=gene_key), organism)
                some = np.asarray(expression.block(0, CHUNK_ROWS).sum(axis=0)).ravel()
                found.check(model.card.name, weights=some, by_counts=True)
                rows = poor_cells(expression, genes.gene_names(expression.var, gene_key=gene_key), **poor)
                opened.append((name, expression, found.projection(), rows))
        if not opened:
            msg = "The corpus holds no cells: every file was skipped."
            raise InputValueError(msg)
        # a cell's rank order is the same in counts and logarithms, its values are not: one kind for all
        self.kind = "counts" if all(e.kind.kind == "counts" for _, e, _, _ in opened) else "log1p"
        total = sum(e.n_obs - len(poor) for _, e, _, poor in opened)
        if total < 2:
            msg = f"The corpus holds {total} cells with min_genes={min_genes!r} and max_mito={max_mito!r}. Pass milder ones."
            raise InputValueError(msg)
        part = min(validation, MOST_VALIDATION / total)
        self.files = []
        for name, expression, projection, left_out in opened:
            good = rng.permutation(expression.n_obs)
            good = good[~np.isin(good, left_out)]
            self.files.append(_File(name, expression, projection, np.sort(good[: round(part * len(good))]), left_out))
        if not any(len(f.held) for f in self.files):
            f = next(i for i, f in enumerate(self.files) if len(f.left_out) < f.expression.n_obs)
            last = np.setdiff1d(np.arange(self.files[f].expression.n_obs), self.files[f].left_out)[-1:]
            self.files[f] = replace(self.files[f], held=last)
        if n_top_genes is not None:
            self.files = [replace(f, to_vocabulary=_most_variable(f, n_top_genes)) for f in self.files]
        self._chunks = [
            (f, start, min(start + CHUNK_ROWS, file.expression.n_obs))
            for f, file in enumerate(self.files)
            for start in range(0, file.expression.n_obs, CHUNK_ROWS)
        ]
        self._size = np.array([b - a - sum(_within(rows, a, b) for rows in self._apart(f)) for f, a, b in self._chunks])

    def _apart(self, f: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a file that are not trained on."""
        return self.files[f].held, self.files[f].left_out

    @property
    def n_cells(self) -> int:
        """Number of cells, those for validation included, poor ones not."""
        return sum(f.expression.n_obs - len(f.left_out) for f in self.files)

    def digest(self) -> str:
        """Return one sha256 of all that is read from the files: the counts of every cell, the genes' names, which cells are kept apart."""
        parts: list[object] = [self.kind]
        for file in progress(self.files, what="digest", unit="file"):
            rows = ""
            with _Named(file.name, self.on_bad):
                rows = digest_rows(block for _, block in file.expression.rows())
            parts += [rows, file.expression.kind.kind, file.to_vocabulary, file.held]
            parts += [file.left_out] if len(file.left_out) else []
        return digest(*parts)

    def validation(self) -> sp.csr_array:
        """Return the cells that are never trained on, CSR (n_cells, n_vocabulary)."""
        rows = []
        for file in (f for f in self.files if len(f.held)):
            for start in range(0, file.expression.n_obs, CHUNK_ROWS):
                here = file.held[slice(*np.searchsorted(file.held, [start, start + CHUNK_ROWS]))]
                if len(here):
                    rows.append(self._read(file, start, start + CHUNK_ROWS)[here - start])
        return sp.csr_array(sp.vstack(rows, format="csr"))

    def sample(self, most: int, *, seed: int) -> sp.csr_array:
        """Return log-normalised expression of about ``most`` cells for training, or all, CSR float32 (n_cells, n_vocabulary)."""
        rows: list[sp.csr_array] = []
        n, enough = 0, min(most, int(self._size.sum()))
        for batch in self.batches(CHUNK_ROWS, seed=seed):
            rows.append(batch.rows)
            n += batch.rows.shape[0]
            if n >= enough:
                break
        x = sp.csr_array(sp.vstack(rows, format="csr"))
        return log_normalize(x) if self.kind == "counts" else x

    def n_batches(self, size: int) -> int:
        """Return how many batches an epoch has, about: windows end in smaller ones."""
        return max(1, -(-int(self._size.sum()) // size))

    def batches(self, size: int, *, seed: int, start: int = 0, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Yield batches of ``size`` cells, epoch after epoch, without an end.

        Parameters
        ----------
        size
            Cells in a batch; the last one of a window has fewer.
        seed
            Of the order.
        start
            Batches before this one are passed over, without being read.
        rank, ranks
            Of several processes each takes every ``ranks``-th batch.
        """
        index = 0
        for epoch in count():
            order = np.random.default_rng([seed, 0, epoch]).permutation(len(self._chunks))
            for w in range(0, len(order), WINDOW):
                chunks = order[w : w + WINDOW]
                n = int(self._size[chunks].sum())
                here = range(index, index + -(-n // size))
                mine = [b for b in here if b >= start and b % ranks == rank]
                if mine:
                    block = self._window(chunks)
                    shuffled = np.random.default_rng([seed, 1, epoch, w]).permutation(block.shape[0])
                    for b in mine:
                        at = b - index
                        yield Batch(b, sp.csr_array(block[np.sort(shuffled[at * size : (at + 1) * size])]))
                index = here.stop

    def _window(self, chunks: np.ndarray) -> sp.csr_array:
        parts = []
        for f, a, b in (self._chunks[c] for c in np.sort(chunks)):
            file = self.files[f]
            train = np.setdiff1d(np.arange(a, b), np.concatenate(self._apart(f)), assume_unique=True) - a
            with _Named(file.name, self.on_bad):
                parts.append(self._read(file, a, b)[train])
        if not parts:
            msg = "None of the files of a window can be read any more."
            raise InputValueError(msg)
        return sp.csr_array(sp.vstack(parts, format="csr"))

    def _read(self, file: _File, start: int, stop: int) -> sp.csr_array:
        block = file.expression.block(start, stop - start)
        if self.kind == "log1p" and file.expression.kind.kind == "counts":
            block = log_normalize(block)
        known = sp.csr_array(block @ file.to_vocabulary)
        known.sort_indices()
        known.eliminate_zeros()
        return known


def _within(rows: np.ndarray, start: int, stop: int) -> int:
    """Return how many of sorted rows lie in a range."""
    low, high = np.searchsorted(rows, [start, stop])
    return int(high - low)


def _most_variable(file: _File, n_top: int) -> sp.csr_array:
    """Return the projection to the vocabulary without the genes that vary less among the training cells."""
    batch = np.zeros(file.expression.n_obs, dtype=np.int64)
    batch[file.held] = batch[file.left_out] = -1
    kept = np.zeros(len(file.expression.var), dtype=np.float32)
    kept[variable_genes(moments(file.expression, batch), n_top)] = 1
    return sp.csr_array(sp.diags_array(kept) @ file.to_vocabulary)


def corpus_genes(
    sources: "Sequence[AnnData | str | Path]",
    *,
    min_cells: int = 10,
    gene_key: str | None = None,
    layer: str | None = None,
    on_bad: OnBad = "raise",
) -> np.ndarray:
    """Return the human symbols of the genes that at least ``min_cells`` cells of a corpus express, sorted: a vocabulary.

    Mouse genes stand for their one-to-one orthologs.
    """
    cells: dict[str, int] = {}
    for name, adata in progress(list(_open(sources, on_bad)), what="genes", unit="file"):
        with _Named(name, on_bad):
            expression = open_expression(adata, layer=layer)
            names = genes.gene_names(expression.var, gene_key=gene_key)
            symbols = genes.human_symbols(names)
            seen = np.zeros(len(symbols), dtype=np.int64)
            for _, block in expression.rows():
                seen += np.bincount(block.indices, minlength=len(symbols))
            for symbol, n in zip(symbols.tolist(), seen.tolist(), strict=True):
                cells[symbol] = cells.get(symbol, 0) + n
    out = sorted(s for s, n in cells.items() if s and n >= min_cells)
    if not out:
        msg = f"No gene is expressed in {min_cells} cells of the corpus. Pass a smaller min_cells."
        raise InputValueError(msg)
    return np.array(out, dtype=object)


def find_files(sources: "Sequence[str | Path]") -> list[Path]:
    """Return the ``.h5ad`` files and ``.zarr`` folders that are named or lie in the folders that are named, sorted.

    Of a collection of annbatch, a folder of zarr folders, each part is one.
    """
    out = []
    for source in map(Path, sources):
        parts = parts_of(source)
        if source.suffix in (".h5ad", ".zarr") or not source.is_dir() or parts != [source]:
            out += parts
            continue
        inside = sorted(p for p in source.iterdir() if p.suffix in (".h5ad", ".zarr") and not p.name.startswith("."))
        if not inside:
            msg = f"{source} holds no .h5ad file and no .zarr folder."
            raise InputValueError(msg)
        out += inside
    return out


def _open(sources: "Sequence[AnnData | str | Path]", on_bad: OnBad) -> "Iterator[tuple[str, AnnData]]":
    for i, source in enumerate(sources):
        if not isinstance(source, str | Path):
            yield f"AnnData {i}", source
            continue
        for path in find_files([source]):
            with _Named(str(path), on_bad):
                if not path.exists():
                    msg = "there is no such file"
                    raise FileNotFoundError(msg)
                yield str(path), open_h5ad(path) if path.suffix == ".h5ad" else open_zarr(path)


class _Named:
    """Errors inside name the file; with "skip" they become a warning."""

    def __init__(self, name: str, on_bad: OnBad) -> None:
        self.name, self.on_bad = name, on_bad

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if error is None or not isinstance(error, BROKEN):
            return False
        what = f"{self.name}: {printable(error, limit=300)}"
        if self.on_bad == "skip":
            warn(f"Skipped {what}")
            say(f"pretrain: skipped {self.name}")
            return True
        msg = f"{what}. Mend or take out the file, or pass on_bad='skip'."
        raise InputValueError(msg) from error
