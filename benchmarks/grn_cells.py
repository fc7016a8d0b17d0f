"""What the cells add to a network: response, recovery at equal degree, known biology, held-out cells, negatives.

On pbmc3k, baron_mouse and kang_ifnb, with TRRUST as the prior and DoRothEA A–C without its pairs as a second test. Nothing was chosen on
these sets: settings come from the FACS-sorted cells and the corpus (``--sets`` names others). The prior's part is trained without any
cells, and every known edge is scored by the training that has not seen it.

Usage: ``python -m benchmarks.grn_cells --data ../shared/data [--sets pbmc3k kang_ifnb] [--runs 3]``
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

import scgnn_tools as sgt
from benchmarks._cells import read
from benchmarks.grn_negatives import Trainings, negatives, trainings
from benchmarks.grn_regulons import activities, ranks
from scgnn_tools import genes
from scgnn_tools.grn import collect
from scgnn_tools.grn.cell_side import CellSide, cell_side
from scgnn_tools.grn.cells import measure
from scgnn_tools.grn.evidence import depth_bins
from scgnn_tools.grn.groups import groups_of
from scgnn_tools.grn.heldout import held_out_cells
from scgnn_tools.grn.joined import InGroup, pooled, without_signal
from scgnn_tools.grn.null import permuted
from scgnn_tools.grn.recovery import recovery
from scgnn_tools.grn.reliability import shared, spearman
from scgnn_tools.grn.score import Group
from scgnn_tools.grn.score import joined as join
from scgnn_tools.grn.smoothing import canonical_order

SETS = ["pbmc3k", "kang_ifnb", "baron_mouse"]
KNOWN = {
    "pbmc3k": {"B": "PAX5 EBF1 POU2AF1 SPIB", "NK": "TBX21 EOMES", "CD14+ Mono": "SPI1 CEBPB CEBPA KLF4", "Naive CD4 T": "TCF7 LEF1 GATA3"},
    "kang_ifnb": {"B": "PAX5 EBF1 POU2AF1 SPIB", "NK": "TBX21 EOMES", "CD14+Mono": "SPI1 CEBPB CEBPA KLF4",
                  "stim": "STAT1 STAT2 IRF1 IRF7 IRF9"},
    "baron_mouse": {"beta": "Pdx1 Mafa Nkx6-1", "alpha": "Arx Irx2 Mafb", "delta": "Hhex", "ductal": "Sox9 Hnf1b"},
}  # fmt: skip
"""Textbook factors of groups, by the group's name or a part of it."""

LEAST_TARGETS, LEAST_HALF = 5, 40
"""Known targets of a factor that is ranked, and cells of a group in each half, at least."""


def dorothea(data: Path, organism: str, symbols: np.ndarray) -> pd.DataFrame:
    """Return the pairs of DoRothEA A–C that TRRUST does not have."""
    table = pd.read_parquet(data / f"prior/dorothea_{organism}.parquet").astype(
        {"confidence": str, "tf": str, "target": str}
    )
    table = table.loc[table["confidence"].isin(list("ABC")), ["tf", "target"]].drop_duplicates()
    upper = pd.Series(symbols, index=[s.upper() for s in symbols])
    upper = upper[~upper.index.duplicated()]
    own = pd.DataFrame({c: table[c].str.upper().map(upper) for c in table}).dropna()
    known = genes.prior("trrust", organism)
    seen = pd.MultiIndex.from_arrays([known[c].str.upper() for c in ("source", "target")])
    here = pd.MultiIndex.from_arrays([own[c].str.upper() for c in own])
    return own[~here.isin(seen)]


def response(name: str, side: CellSide) -> pd.DataFrame:
    """Compare real cells with permuted ones, and halves of the real cells with each other."""
    measured, rows, apart = side.evidence.measured, [], []
    seen = np.bincount(side.x.indices, minlength=side.x.shape[1]) / side.x.shape[0]
    for kind, n_bins, least in (("all cells", 1, 0.0), ("cells of like depth", 20, 0.0), ("all cells", 1, 0.05)):
        expressed = np.isfinite(measured.z).any(axis=0) & (seen >= least)
        if least > 0:
            measured = measure(side.x, side.tfs, expressed, rng=0)
        own = measured.bins if n_bins > 1 else None
        noise = measure(permuted(measured.x, n_bins=n_bins, bins=own, rng=11), side.tfs, expressed, bins=own, rng=12)
        there = np.isfinite(measured.z) & np.isfinite(noise.z)
        real, none = (np.where(there, m.score, -np.inf)[there.any(axis=1)] for m in (measured, noise))
        if not apart or least > 0:  # the same cells and genes are measured once
            apart = [measure(measured.x[half], side.tfs, expressed, rng=13).score for half in measured.half[2:]]
        rows.append({
            "set": name, "permuted among": kind, "factors": int(there.any(axis=1).sum()), "genes": int(expressed.sum()),
            "real and permuted": spearman(measured.score[there], noise.score[there]), "halves": measured.reliability.halves,
            "data_score of halves": spearman(*(s[there] for s in apart)),
            "top 100, permuted": shared(real, none, 100), "top 100, halves": measured.reliability.shared,
            "permuted halves": noise.reliability.halves,
        })  # fmt: skip
    return pd.DataFrame(rows)


def recovered(name: str, side: CellSide, prior: np.ndarray, other: np.ndarray) -> pd.DataFrame:
    """Return AUROC at equal degree on TRRUST (out of fold) and on the other collection."""
    there = np.isfinite(side.evidence.measured.z)
    noise = without_signal(side.evidence, side.known, side.degree, rng=21)
    ratio = side.evidence.log_ratio()
    joined = join(prior, ratio)
    scores = {"joined": joined, "prior": prior, "cells": ratio, "correlation": side.evidence.measured.r,
              "joined, permuted": join(prior, noise.log_ratio()), "permuted cells": noise.log_ratio()}  # fmt: skip
    scores = {n: np.where(there, s, np.nan) for n, s in scores.items()}
    parts = [
        recovery(scores, side.known & there, np.where(there.any(axis=0), side.degree, 0), rng=0).assign(truth="TRRUST")
    ]
    # of like degree in both collections
    here = other & there
    both = 1 + 100_000 * np.digitize(side.degree, [1, 2, 3, 5, 9, 17]) + other.sum(axis=0)
    both = np.where(there.any(axis=0) & (side.degree + other.sum(axis=0) > 0), both, 0)
    parts.append(
        recovery(scores, here | (side.known & there), both, edges=np.nonzero(here), tolerance=1e-4, rng=0).assign(
            truth="DoRothEA A–C, new"
        )
    )
    return pd.concat(parts).assign(set=name)


def biology(name: str, side: CellSide, tfs: np.ndarray, noise: CellSide, others: dict[str, np.ndarray]) -> list[dict]:
    """Rank textbook factors of each group by their regulons, without their own expression, by that expression, and by other tools.

    ``noise`` are the same cells with permuted genes. ``others`` hold activities, (n_cells, n_tfs).
    """
    table, permuted_table = side.regulons(tfs), noise.regulons(tfs)
    enough = pd.Series(side.known.sum(axis=1), index=tfs) >= LEAST_TARGETS
    cells = [g.cells for g in side.groups]
    ranked = {n: ranks(a, cells, tfs) for n, a in others.items()}
    rows = []
    for part, factors in KNOWN.get(name, {}).items():
        found = [k for k, g in enumerate(side.groups) if part in str(g.name)]
        for k in found[:1]:
            group = side.groups[k].name
            one = table[table["group"] == group].set_index("tf")
            one = one[enough.reindex(one.index) & one["specificity"].notna()]
            values = one[["specificity", "expression"]].rename(
                columns={"specificity": "regulon", "expression": "own expression"}
            )
            values["permuted cells"] = permuted_table[permuted_table["group"] == group].set_index("tf")["specificity"]
            values = values.assign(**{n: r[k] for n, r in ranked.items()}).fillna(-np.inf)
            order = values.rank(ascending=False)
            order.index = order.index.str.upper()  # the names of the model
            for factor in factors.upper().split():
                told = order.loc[factor] if factor in order.index else pd.Series(np.nan, index=order.columns)
                rows.append({"set": name, "group": group, "factor": factor, **told, "of": len(order)})
    return rows


def held_out_by_group(side: CellSide, prior: np.ndarray) -> pd.DataFrame:
    """Return what the network of half of the cells tells of the other half, within each group of enough cells."""
    order, (_, _, one, other) = canonical_order(side.x), side.evidence.measured.half
    edges, rows = side.of_half(prior, 50)["joined"], []
    for group in side.groups:
        train, test = (order[half][np.isin(order[half], group.cells)] for half in (one, other))
        if min(len(train), len(test)) < LEAST_HALF:
            continue
        found = held_out_cells(side.x[train], side.x[test], side.tfs, edges, rng=0)
        rows.append({"group": group.name, "cells": len(train) + len(test), **vars(found), "gain": found.gain})
    return pd.DataFrame(rows)


def of_permuted(side: CellSide) -> CellSide:
    """Return the same cells with every gene permuted among cells of like depth."""
    bins = depth_bins(side.x)
    cells = permuted(side.x, bins=bins, rng=31)
    there = np.isfinite(side.evidence.measured.z).any(axis=0)
    evidence = pooled(cells, side.tfs, there, side.known, side.degree, bins=bins, rng=32)
    return replace(side, x=cells, evidence=evidence)


def of_cells(name: str, adata: AnnData, side: CellSide, tfs: np.ndarray, symbols: np.ndarray, tools: Callable) -> dict:
    """Return the tables that no prior is trained for."""
    noise, others = of_permuted(side), tools(side, tfs, symbols)
    ranked = biology(name, side, tfs, noise, others)
    if "condition" in adata.obs:
        some = [np.flatnonzero(adata.obs["condition"] == c) for c in adata.obs["condition"].unique()]
        names = [str(c) for c in adata.obs["condition"].unique()]
        apart = [Group(n, c, np.ones(len(symbols), dtype=bool)) for n, c in zip(names, some, strict=True)]
        nothing = [InGroup(None, None, side.evidence.measured.z)] * len(apart)
        here, there = (replace(s, groups=apart, of_group=nothing) for s in (side, noise))
        ranked += biology(name, here, tfs, there, others)
    reliability = side.reliability().rename_axis("group").reset_index()
    return {"reliability": reliability, "response": response(name, side), "ratio": side.ratios().rename_axis("source").reset_index(),
            "biology": pd.DataFrame(ranked)}  # fmt: skip


def of_prior(
    name: str, side: CellSide, trained: Trainings, pairs: pd.DataFrame, tfs, symbols, new: pd.DataFrame
) -> dict:
    """Return the tables of the prior, trained without the cells, and of both joined."""
    prior = trained.unseen
    other = np.zeros(prior.shape, dtype=bool)
    i, j = pd.Index(tfs).get_indexer(new["tf"]), pd.Index(symbols).get_indexer(new["target"])
    other[i[(i >= 0) & (j >= 0)], j[(i >= 0) & (j >= 0)]] = True
    held = side._held_out(prior, 50, 0).rename_axis("edges").reset_index()
    return {"recovery": recovered(name, side, prior, other).rename_axis("score").reset_index(),
            "negatives": negatives(trained, pairs, tfs, symbols, other), "held out": held,
            "held out by group": held_out_by_group(side, prior)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=["cells", "prior"], choices=["cells", "prior"])
    parser.add_argument("--store", type=Path, help="folder of finished trainings")
    parser.add_argument("--min-expressed", type=float, default=0.05)
    parser.add_argument("--without-tools", action="store_true", help="leave out GRNBoost2 and ULM, half of the time")
    args = parser.parse_args()
    sgt.settings.progress = False
    every: dict[str, list[pd.DataFrame]] = {}
    for name in args.sets:
        start = time.perf_counter()
        adata = read(args.data, name)
        how = {"use_rep": None, "layer": None, "gene_key": None, "organism": None, "rng": 0}
        data = collect(adata, "auto", tfs=None, **how)
        column, organism = "cell_type" if "cell_type" in adata.obs else None, data.params["organism"]
        groups = groups_of(adata, column, data, args.min_expressed)
        expressed = np.any([g.genes for g in [*groups, *groups_of(adata, None, data, args.min_expressed)]], axis=0)
        symbols = data.inputs.genes[expressed]
        tfs = symbols[np.isin(symbols, data.known["tf"].unique())]
        groups = [Group(g.name, g.cells, g.genes[expressed]) for g in groups]
        side = cell_side(data.inputs.expression, symbols, tfs, data.known, groups, rng=0).by_group(rng=0)
        for part in args.parts:
            if part == "cells":
                tools = (lambda *_: {}) if args.without_tools else partial(activities, args.data, organism)
                tables = of_cells(name, adata, side, tfs, symbols, tools)
            else:
                trained = trainings(data, tfs, symbols, args.runs, store=args.store and args.store / name)
                new = dorothea(args.data, organism, symbols)
                tables = of_prior(name, side, trained, data.inputs.pairs, tfs, symbols, new)
            for title, table in tables.items():
                every.setdefault(title, []).append(table.assign(set=name))
            show({title: every[title][-1] for title in tables})
        print(f"\n{name}: {time.perf_counter() - start:.0f} s", flush=True)
    if len(args.sets) > 1:
        print("\nAll sets", flush=True)
        show({title: pd.concat(tables, ignore_index=True) for title, tables in every.items()})


TITLES = {
    "reliability": "How well halves of the cells agree",
    "response": "Response",
    "recovery": "Recovery at equal degree",
    "ratio": "What a standard deviation of evidence is worth, in logits",
    "biology": "Known biology: ranks",
    "held out": "Expression of held-out cells",
    "held out by group": "Within groups",
    "negatives": "Negatives: median rank of pairs that the prior lacks, drawn as negatives or as likely to be drawn",
}


def show(every: dict[str, pd.DataFrame]) -> None:
    """Print the tables."""
    for part, title in TITLES.items():
        if part not in every or every[part].empty:
            continue
        digits = 4 if part.startswith("held out") else 3
        print(f"\n{title}\n{every[part].round(digits).to_string(index=False)}", flush=True)
        if part == "biology":
            told = every[part].dropna().drop(columns=["set", "group", "factor", "of"])
            best = pd.DataFrame(
                {"in the best ten": (told <= 10).mean(), "mean log rank": np.log(told.astype(float)).mean()}
            )
            print(f"{len(told)} factors\n{best.round(2).to_string()}")


if __name__ == "__main__":
    main()
