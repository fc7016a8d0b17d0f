"""Cells of one organism: what is left of a matrix without the genes of another."""

from typing import TYPE_CHECKING

from scgnn_tools.data.expression import Expression

if TYPE_CHECKING:
    from scgnn_tools.genes import GeneMatch


def of_one_organism(expression: Expression, found: "GeneMatch") -> "tuple[Expression, GeneMatch]":
    """Return a matrix and its match without the genes of another organism, which belong to no cell's total."""
    if not found.foreign.any():
        return expression, found
    return expression.only(~found.foreign), found.only(~found.foreign)
