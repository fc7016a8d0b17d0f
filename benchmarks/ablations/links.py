"""What each part of scRegNet and scTransNet is worth, beside counting.

Two networks: hESC_500 with the real 896-d Geneformer vectors (its expression is not public in any copy we know), mDC_500 with its
real expression and the vectors of the bundled model. Every row is the mean over seeds on the test pairs of the published split, on all of
them and on those of which the degree was taken away. Epochs are chosen on validation pairs where no row says otherwise.

Usage: ``python -m benchmarks.ablations grn [--data ../shared/data] [--seeds 2]``
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

import scgnn_tools as sgt
from benchmarks import grn_data
from scgnn_tools.grn.pooling import attentive_pooling
from scgnn_tools.splits import degree_matched

PAPER = {
    "hESC_500": "scRegNet as printed, expression in its GNN: .89 / .62",
    "mDC_500": "scRegNet as printed, with Geneformer's vectors: .81 / .17",
}
NOISE = (0.01, 0.05, 0.2, 0.5)


@dataclass
class Network:
    """Pairs of a network and what is known of its genes."""

    name: str
    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame
    matched: np.ndarray
    embedding: pd.DataFrame
    expression: ad.AnnData | None
    genes: np.ndarray


def hesc(data: Path) -> Network:
    return network(data, "scregnet:hESC_500")


def mdc(data: Path) -> Network:
    return network(data, "sample1:mDC_500")


def network(data: Path, name: str) -> Network:
    pairs = grn_data.read(data, name)
    code = pairs["part"].to_numpy()
    kept = degree_matched(pairs, base=lambda p, **_: code.copy())[code == 2] == 2
    validation = pairs[code == 1] if (code == 1).any() else None
    embedding = grn_data.vectors(data, name)
    embedding = grn_data.bundled_vectors() if embedding is None else embedding
    expression = grn_data.expression(data, name)
    genes = np.union1d(pairs["tf"], pairs["target"])
    name = name.split(":")[1]
    return Network(name, pairs[code == 0], validation, pairs[code == 2], kept, embedding, expression, genes)


def variants(net: Network) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (row, method, options)."""
    read_by_gnn = {"features": "expression" if net.expression is not None else "embedding"}
    alone = {"vectors": False, "features": "expression" if net.expression is not None else "random"}
    yield "degree", "degree", {}
    yield "collaborative", "collaborative", {}
    yield "scRegNet: GCN", "scregnet", {}
    yield "  GraphSAGE", "scregnet", {"backbone": "sage"}
    yield "  GAT", "scregnet", {"backbone": "gat"}
    if net.expression is not None:
        yield "  expression in the GNN", "scregnet", {"features": "expression"}
    yield "  the published head", "scregnet", {"head": "concat"}
    yield "  without GNN", "scregnet", {"backbone": None}
    yield f"  without vectors ({alone['features']} in the GNN)", "scregnet", alone
    yield "scTransNet: relational", "sctransnet", read_by_gnn
    yield "  GCN", "sctransnet", {**read_by_gnn, "backbone": "gcn"}
    yield "  one channel", "sctransnet", {**read_by_gnn, "channels": "shared"}
    yield "  hard-balanced pairs", "sctransnet", {**read_by_gnn, "protocol": "hard-balanced"}
    yield "  without GNN", "sctransnet", {**read_by_gnn, "backbone": None}
    yield f"  without vectors ({alone['features']} in the GNN)", "sctransnet", alone


CHOICES: list[tuple[str, str, dict[str, Any]]] = [
    ("scTransNet, stopped by the loss", "sctransnet", {"select": "loss"}),
    ("  by the AUROC", "sctransnet", {"select": "auroc"}),
    ("  by the AUPRC", "sctransnet", {"select": "auprc"}),
    ("GENELink, batches of 256, rate × .8 an epoch, patience 6", "genelink", {}),
    ("  batches of 1,024", "genelink", {"batch_size": 1024}),
    ("  rate × .95 an epoch", "genelink", {"decay": 0.95, "max_epochs": 60}),
    ("  patience 20", "genelink", {"patience": 20, "max_epochs": 60}),
    ("  rate × .95, patience 20", "genelink", {"decay": 0.95, "patience": 20, "max_epochs": 60}),
]
"""Settings that are chosen on pairs that no table scores."""


def fit(net: Network, method: str, rng: int, **options: Any) -> Any:
    given = {"expression": net.expression} if net.expression is not None else {}
    predictor = sgt.models.link_predictor(method, rng=rng, **options)
    return predictor.fit(net.train, net.validation, genes=net.genes, embedding=net.embedding, **given)


def measured(net: Network, score: np.ndarray) -> dict[str, float]:
    out = {}
    for name, rows in (("random", np.ones(len(net.test), dtype=bool)), ("matched", net.matched)):
        test = net.test[rows]
        m = sgt.metrics.grn(test["label"], score[rows], test["tf"])
        out |= {f"{name} AUROC": m["auroc"], f"{name} AUPRC": m["auprc"], f"{name} per TF": m["auroc_per_tf"]}
    return out


def show(row: str, found: list[dict[str, float]], seconds: float) -> None:
    table = pd.DataFrame(found)
    mean, spread = table.mean(), table["random AUPRC"].std() if len(table) > 1 else float("nan")
    numbers = "  ".join(f"{mean[c]:6.3f}" for c in table.columns)
    print(f"{row:44s} {numbers}  {spread:6.3f} {seconds:6.1f}", flush=True)


def table(net: Network, seeds: int) -> None:
    columns = "  ".join(f"{c:>6s}" for c in ("AUROC", "AUPRC", "per TF", "AUROC", "AUPRC", "per TF"))
    print(
        f"\n{net.name}: {len(net.train):,} training pairs, {len(net.test):,} test pairs ({net.matched.sum():,} degree-matched)"
    )
    print(f"{'':44s} {'random pairs':^22s}  {'degree-matched':^22s}")
    print(f"{'':44s} {columns}  {'± seed':>6s} {'s':>6s}", flush=True)
    for row, method, options in variants(net):
        repeat(net, row, seeds if method.startswith("sc") else 1, lambda r, m=method, o=options: fit(net, m, r, **o))


def repeat(net: Network, row: str, seeds: int, make: Callable[[int], Any]) -> None:
    start, found = time.perf_counter(), []
    for rng in range(seeds):
        found.append(measured(net, make(rng).score(net.test)))
    show(row, found, (time.perf_counter() - start) / seeds)


def pooling(net: Network, seeds: int, epochs: int) -> None:
    """Vectors of a small transformer that is trained on the very cells: the only one with attention that can be had offline."""
    cells = net.expression.copy()
    sgt.models.CGC.setup_anndata(cells)
    cgc = sgt.models.CGC(cells, graph=False, dim=64, heads=4, hidden=128, n_layers=2, max_length=301, rng=0)
    start = time.perf_counter()
    cgc.train(max_epochs=epochs, batch_size=32)
    seconds = time.perf_counter() - start
    print(f"  scTransNet on vectors pooled over cells (two blocks, {epochs} epochs on these cells, {seconds:.0f} s):")
    for pooled in ("attention", "mean"):
        given = attentive_pooling(cgc.model, cells, pooling=pooled).dropna()
        other = replace(net, embedding=given)
        repeat(net, f"  {pooled} pooling", seeds, lambda r, n=other: fit(n, "sctransnet", r))


def choose(net: Network, seeds: int) -> None:
    """Print what the choices are worth on the validation pairs; a tenth of the training pairs stops the training."""
    assert net.validation is not None
    held = np.random.default_rng(0).random(len(net.train)) < 0.1
    own = replace(
        net,
        train=net.train[~held],
        validation=net.train[held],
        test=net.validation,
        matched=np.ones(len(net.validation), dtype=bool),
    )
    print(f"\n{net.name}, settings by the AUPRC on its {len(net.validation):,} validation pairs, {seeds} seeds")
    for row, method, options in CHOICES:
        found = [measured(own, fit(own, method, r, **options).score(own.test))["random AUPRC"] for r in range(seeds)]
        print(f"{row:60s} {np.mean(found):.3f} ± {np.std(found):.3f}", flush=True)


def paper(net: Network, epochs: int) -> None:
    """ScRegNet's own protocol, and what its choice of the epoch is worth."""
    print(f"\n{net.name}, scRegNet protocol='paper', at most {epochs} epochs, one seed ({PAPER[net.name]})")
    features = "expression" if net.expression is not None else "embedding"
    for row, chosen in (
        ("epoch chosen on the test pairs, as published", net.test),
        ("epoch chosen on training pairs", None),
    ):
        train, held = net.train, chosen
        if held is None:
            rest = np.random.default_rng(0).random(len(train)) < 0.1
            train, held = train[~rest], train[rest]
        p = sgt.models.link_predictor("scregnet", protocol="paper", features=features, max_epochs=epochs, rng=0)
        start = time.perf_counter()
        p.fit(train, held, genes=net.genes, embedding=net.embedding, expression=net.expression)
        show(f"  {row}", [measured(net, p.score(net.test))], time.perf_counter() - start)


def noise(net: Network) -> None:
    print(f"\n{net.name}, AUPRC on random pairs with training labels flipped, one seed")
    print(f"{'':14s} " + " ".join(f"{s:>7.0%}" for s in (0.0, *NOISE)))
    for method in ("degree", "collaborative", "scregnet"):
        out = []
        for share in (0.0, *NOISE):
            flip = np.random.default_rng(1).random(len(net.train)) < share
            label = np.where(flip, 1 - net.train["label"], net.train["label"])
            fitted = fit(replace(net, train=net.train.assign(label=label)), method, 0)
            out.append(measured(net, fitted.score(net.test))["random AUPRC"])
        print(f"{method:14s} " + " ".join(f"{v:7.3f}" for v in out), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--networks", nargs="+", choices=["hESC_500", "mDC_500"], default=["hESC_500", "mDC_500"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--choose", action="store_true", help="only the settings, on the validation pairs of mDC_500")
    parser.add_argument("--paper-epochs", type=int, default=50)
    parser.add_argument("--pooling-epochs", type=int, default=10)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sgt.settings.progress = sgt.settings.verbose = False
    if args.choose:
        choose(mdc(args.data), args.seeds)
        return
    nets = [{"hESC_500": hesc, "mDC_500": mdc}[n](args.data) for n in args.networks]
    for net in nets:
        table(net, args.seeds)
        if net.expression is not None:
            pooling(net, args.seeds, args.pooling_epochs)
    for net in nets:
        paper(net, args.paper_epochs)
    noise(nets[0])


if __name__ == "__main__":
    main()
