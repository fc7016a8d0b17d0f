"""A network that was inferred, in words: a line a question."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scgnn_tools._log import counted
from scgnn_tools.grn.collect import Data
from scgnn_tools.grn.infer import Network


def network_said(network: Network, data: Data, params: Mapping[str, Any], key: str) -> list[str]:
    """Say what was made of what, how good it is, and what the cells add, a line each.

    Parameters
    ----------
    network, data
        The result, and what it was made of.
    params
        As :func:`scgnn_tools.tl.infer_grn` writes them.
    key
        Where the result is.
    """
    edges, new = network.edges, network.new_factors
    n_tfs, n_pairs = edges["tf"].nunique(), len(edges.drop_duplicates(["tf", "target"]))
    enough = f"enough cells express (min_expressed={params['min_expressed']:g})"
    kept = "each" if n_tfs == network.n_scored else f"each of the {n_tfs:,} that {enough}"
    per = (
        f" (pair × group: {n_pairs:,} pairs in {counted(edges['group'].nunique(), 'group')})"
        if "groups" in params
        else ""
    )
    scored = f"{counted(network.n_scored, 'transcription factor')} × {len(data.inputs.genes):,} genes scored"
    made = (
        f"{params['method']} with {params['vectors']} on {params['prior']} ({counted(params['n_edges'], 'edge')}); {scored}, the "
        f"{params['n_top']} best targets of {kept} and known ones kept: {counted(len(edges), 'edge')}{per} -> uns['{key}'], varp['{key}']"
    )
    lines = [made]
    more, n_new = len(data.tfs) - network.n_scored, new["tf"].nunique()
    if more and n_new:
        those = "they are" if n_new == more else f"{n_new:,} of them, those that enough cells express, are"
        lines.append(
            f"{more:,} more transcription factors are not in the prior; {those} scored by the cells alone: uns['{key}']['new_factors']"
        )
    elif more:
        lines.append(
            f"{more:,} more transcription factors are not in the prior and were left out; tfs= with their names keeps them"
        )
    return [*lines, _on_the_list(edges), network.evaluation["verdict"], *network.evaluation["cells"].splitlines()]


def _on_the_list(edges: pd.DataFrame) -> str:
    """Say how many sources of the edges are transcription factors by the bundled list."""
    is_tf = edges.drop_duplicates("tf")["is_tf"]
    if is_tf.all():
        told = f"all {len(is_tf):,} sources are" if len(is_tf) > 1 else "the one source is"
        return f"{told} on the list of transcription factors"
    told = f"{int(is_tf.sum()):,} of {len(is_tf):,} sources are on the list of transcription factors"
    return f"{told}; column is_tf tells them apart, tfs= leaves the others out"
