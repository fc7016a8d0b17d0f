"""Vocabularies that give each token its row in the gene embedding (scGPT, CGC)."""

from pathlib import Path

import numpy as np

from scgnn_tools._errors import WeightsError
from scgnn_tools.fm import _native


def read_vocabulary(path: Path, pad: str) -> dict[str, int]:
    """Return token -> id; the special tokens that the file lacks are appended, as the published loader does."""
    words = {str(k): int(v) for k, v in _native.read_json(path).items()}
    ids = np.sort(np.fromiter(words.values(), dtype=np.int64))
    if not np.array_equal(ids, np.arange(len(ids))):
        holes = np.setdiff1d(np.arange(ids[-1] + 1), ids)
        seen = f"{len(holes)} are missing, the first is {holes[0]}" if len(holes) else "some stand twice"
        msg = f"{path}: the ids of a vocabulary run from 0 without a hole; {seen}. Every gene behind it would get another's vector."
        raise WeightsError(msg)
    for special in (pad, "<cls>", "<eoc>"):
        words.setdefault(special, len(words))
    return words


def genes_of(words: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the genes of a vocabulary and their ids; tokens in angle brackets are no genes."""
    genes = [w for w in words if not (w.startswith("<") and w.endswith(">"))]
    return np.array(genes, dtype=object), np.array([words[g] for g in genes], dtype=np.int32)
