"""The table of all models: it holds whole cards, and prints what fits into a terminal."""

import pandas as pd

SHOWN = ("bundled", "licence", "gene_key", "input", "dimension", "n_genes")
WIDEST = 24


class ModelTable(pd.DataFrame):
    """Cards, one a row; printed with some columns only, no line longer than 80 characters."""

    def __repr__(self) -> str:
        """Return the narrow table as text."""
        return self._narrow().to_string()

    def _repr_html_(self) -> str:
        return str(self._narrow().to_html())

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame  # a part of the table is a plain one

    def _narrow(self) -> pd.DataFrame:
        out = pd.DataFrame(self)[[c for c in SHOWN if c in self.columns]].copy()
        licence = out["licence"].astype(str)
        out["licence"] = licence.where(licence.str.len() <= WIDEST, licence.str.slice(stop=WIDEST - 1) + "…")
        return out
