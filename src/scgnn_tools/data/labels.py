"""Labels as users have them: missing, padded with blanks, numbers, "unknown"."""

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputTypeError
from scgnn_tools._log import printable, writable

NOT_A_LABEL = frozenset(
    {"", "unknown", "nan", "none", "na", "n/a", "unlabeled", "unlabelled", "unassigned", "<na>", "null"}
)


def clean_labels(labels: pd.Series, *, unlabeled_category: str) -> np.ndarray:
    """Return each label as text without blanks around it, "" where there is none, shape (n_cells,).

    Numbers and booleans become text; what is missing, empty, ``unlabeled_category`` or a word for it is no label.
    """
    if not isinstance(unlabeled_category, str):
        msg = f"unlabeled_category is a text; got {printable(repr(unlabeled_category))}."
        raise InputTypeError(msg)
    text = labels.astype(object).where(labels.notna(), "")
    # whole numbers that pandas holds as floats because others are missing are the numbers that they were
    text = text.map(lambda v: str(int(v)) if isinstance(v, float) and v.is_integer() else writable(_text(v)).strip())
    none = text.str.lower().isin(NOT_A_LABEL | {unlabeled_category.strip().lower()})
    return text.where(~none, "").to_numpy(dtype=object)


def _text(value: object) -> str:
    """Return a value as text; older files of HDF5 hold it as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
