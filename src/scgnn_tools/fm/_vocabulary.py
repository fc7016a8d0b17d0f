"""Vocabularies that give each token its row in the gene embedding (scGPT, CGC)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scgnn_tools._errors import WeightsError
from scgnn_tools.fm import dictionaries


def read_vocabulary(path: Path, pad: str) -> dict[str, int]:
    """Return token -> id; the special tokens that the file lacks are appended, as the published loader does."""
    words = dictionaries.read_words(path, int)
    check_ids(words, path)
    for special in (pad, "<cls>", "<eoc>"):
        words.setdefault(special, len(words))
    return words


def check_ids(words: Mapping[str, int], path: Path) -> None:
    """Refuse a vocabulary whose ids do not run from 0 without a hole or a repeat."""
    ids = np.unique(np.fromiter(words.values(), dtype=np.int64, count=len(words)))
    if len(words) and len(ids) == len(words) and ids[0] == 0 and ids[-1] == len(ids) - 1:
        return
    seen = "there are none"
    if len(ids):
        first = 0 if ids[0] else int(np.flatnonzero(np.append(np.diff(ids), 2) > 1)[0]) + 1
        n = int(ids[-1]) + 1 - len(ids[ids >= 0])
        seen = f"{n:,} are missing, the first is {first}" if n else "some stand twice"
        seen = "some are negative" if ids[0] < 0 else seen
    msg = f"{path}: the ids of a vocabulary run from 0 without a hole; {seen}. Every gene behind it would get another's vector."
    raise WeightsError(msg)


def genes_of(words: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the genes of a vocabulary and their ids; tokens in angle brackets are no genes."""
    genes = [w for w in words if not (w.startswith("<") and w.endswith(">"))]
    return np.array(genes, dtype=object), np.array([words[g] for g in genes], dtype=np.int32)
