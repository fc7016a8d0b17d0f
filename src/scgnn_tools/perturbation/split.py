"""Which conditions of a screen are held out: the kind of split, and its table."""

from contextlib import suppress

import pandas as pd

from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.conditions import genes_of
from scgnn_tools.perturbation.inputs import Screen
from scgnn_tools.splits import split_perturbations
from scgnn_tools.splits.perturbations import KINDS, OVER_GROUPS

MOST_LEFT_OUT = 30
"""Perturbed genes up to which each is left out by itself."""


def check_split(split: str) -> None:
    """Refuse an unknown kind of split, before anything is read."""
    choice("split", split, ("auto", *KINDS))


def chosen_split(cells: Screen, split: str, rng: RNG) -> str:
    """Return the kind of split; "auto" looks at what there is."""
    if split != "auto":
        return split
    genes = {g for c in cells.conditions for g in genes_of(c)}
    if len(genes) < 2:
        if len(cells.conditions) > 1:
            return "unseen_dose"
        if len(set(cells.cell_type)) == len(set(cells.batch)) == 1:
            msg = (
                f"One thing was done to these cells, {printable(cells.names[0])}, and nothing can be held out. Pass cell_type_key= or "
                "batch_key= to hold a group out; or evaluate=False."
            )
            raise InputValueError(msg)
        return "unseen_cell_type" if len(set(cells.cell_type)) > 1 else "unseen_batch"
    if any(len(c) > 1 for c in cells.conditions):
        with suppress(InputValueError):  # of very few conditions nothing may be left to train on
            make_split(cells, "simulation", seed(rng))
            return "simulation"
    return "leave_one_out" if len(genes) <= MOST_LEFT_OUT else "unseen"


def make_split(cells: Screen, kind: str, rng: RNG) -> pd.DataFrame:
    """Return the split of the screen's conditions; where groups are held out, of those that have cells there."""
    if kind not in OVER_GROUPS:
        return split_perturbations(cells.conditions, kind, rng=rng)  # type: ignore[arg-type]
    group = cells.cell_type if kind == "unseen_cell_type" else cells.batch
    own = cells.condition >= 0
    table = pd.DataFrame({"condition": cells.condition[own], "group": group[own]}).value_counts().reset_index()
    enough = table[table["count"] >= 4].sort_values(["condition", "group"])
    return split_perturbations(
        [cells.conditions[i] for i in enough["condition"]],
        kind,  # type: ignore[arg-type]
        groups=enough["group"].to_numpy(),
    )
