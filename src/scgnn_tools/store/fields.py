"""What a store holds of every cell: numbers, rows of numbers, or one of several names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ENCODING = {"encoding-type": "array", "encoding-version": "0.2.0"}


@dataclass(frozen=True)
class Field:
    """One value, or one row of values, a cell.

    Attributes
    ----------
    container, key
        Where an AnnData has it: "obs" or "obsm", and the name.
    dtype
        Of the values, or of the codes.
    width
        Length of a row; 0 for one value.
    fill
        What a cell reads as that is not done yet.
    categories
        Names that codes stand for; None for numbers.
    """

    container: str
    key: str
    dtype: str
    width: int = 0
    fill: float = np.nan
    categories: Sequence[str] | None = None

    @property
    def path(self) -> str:
        """Where in the store its numbers are."""
        return f"{self.container}/{self.key}" + ("" if self.categories is None else "/codes")

    def create(self, group: Any, n_obs: int, rows: int) -> None:
        """Make room for all cells, in chunks of ``rows``, in a group that an AnnData was written into."""
        from anndata.io import write_elem

        place, name = group[self.container], self.key
        if self.container == "obs":
            place.attrs["column-order"] = [*place.attrs["column-order"], self.key]
        if self.categories is not None:
            place, name = place.create_group(self.key), "codes"
            place.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False})
            write_elem(place, "categories", np.array(self.categories, dtype=object))
        row = (self.width,) if self.width else ()
        array(place, name, (n_obs, *row), (rows, *row), self.dtype, self.fill)


def array(
    group: Any,
    name: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: str,
    fill: float,
    *,
    overwrite: bool = False,
) -> None:
    """Make an array as anndata reads it, each chunk with a checksum."""
    from zarr.codecs import Crc32cCodec

    # vectors hardly shrink: a checksum is all that is added to the numbers
    made = group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill_value=fill,
        compressors=[Crc32cCodec()],
        overwrite=overwrite,
    )
    made.attrs.update(ENCODING)
