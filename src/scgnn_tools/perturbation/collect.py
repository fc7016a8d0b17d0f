"""What a run needs out of an AnnData: the screen, the conditions that are asked for, and how all of them are related."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._choices import sequence
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._log import printable
from scgnn_tools.data.conditions import Condition, dose_of, gene_of, is_control, one_spelling, parse_conditions
from scgnn_tools.perturbation.features import check_features, collect_relations
from scgnn_tools.perturbation.inputs import Screen, screen
from scgnn_tools.perturbation.relations import Relations

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel


def collect(
    adata: "AnnData",
    perturbation_key: str,
    query: "str | Sequence[Any] | None",
    *,
    features: Any,
    dose_key: str | None,
    gene_key: str | None,
    model: "str | FoundationModel | None",
    **how: Any,
) -> tuple[Screen, list[Condition], Relations]:
    """Return the screen, the conditions that are asked for, and how all of them are related; ``how`` is for :func:`screen`."""
    check_features(features, adata)
    cells = screen(adata, perturbation_key, dose_key=dose_key, gene_key=gene_key, **how)
    wanted = asked(query, cells.params["control"], dosed=dose_key is not None)
    if not any(dose_of(g) for c in cells.conditions for g in c) and (
        doses := [g for c in wanted for g in c if dose_of(g)]
    ):
        said = printable(doses[0])
        msg = f"query= asks for {said!r}, and no cell has a dose. Pass dose_key=, the column of doses; or ask for {gene_of(said)}."
        raise InputValueError(msg)
    known = collect_relations(adata, [*cells.conditions, *wanted], features, gene_key=gene_key, model=model)
    return replace(cells, wanted=tuple(wanted)), wanted, known


def asked(query: "str | Sequence[Any] | None", control: str, *, dosed: bool = False) -> list[Condition]:
    """Return the conditions that a user asks for, each once; ``dosed`` ones say how much, "A@10"."""
    if query is None:
        return []
    values = sequence("query", query)
    if not values:
        msg = "query= names no perturbation to predict. Pass genes, or combinations such as 'A+B'."
        raise InputValueError(msg)
    if numbers := [v for v in values if isinstance(v, Number | np.bool_)]:
        msg = f"query is a text or a list of them, names of genes; it holds {printable(repr(numbers[0]))}."
        raise InputTypeError(msg)
    out = parse_conditions(values, control=control)
    for value, condition in zip(values, out, strict=True):
        if not condition or all(is_control(g) for g in condition):
            msg = f"query={printable(repr(value))} names no perturbed gene. Pass genes, or combinations such as 'A+B'."
            raise InputValueError(msg)
        if dosed and any(dose_of(g) is None for g in condition):
            gene = printable(condition[0].partition("@")[0]) or "A"
            msg = f"query={printable(repr(value))} names no dose, and dose_key= does. Ask for one, such as {gene}@10."
            raise InputValueError(msg)
    return list(dict.fromkeys(one_spelling(c) if dosed else c for c in out if c))
