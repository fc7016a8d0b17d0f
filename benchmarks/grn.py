"""Link predictors beside the counting baselines on the BEELINE networks: pooled and within factors, on four splits.

``random`` are the pairs of the published files; ``degree_matched`` the same test pairs with the degree taken away; ``unseen_tf`` and
``unseen_target`` hold whole factors and targets back. A method that draws is trained ``--runs`` times, three as by
``tl.infer_grn``, and its mean score counts. No method sees a test pair before it is scored, and no setting was chosen on one. scRegNet
runs on the networks of ``--quick`` only, unless ``--networks`` names others. ``--store`` keeps what is scored, so that a run that was
stopped goes on.

Usage: ``python -m benchmarks.grn --data ../shared/data [--quick] [--networks beeline1:hESC_500 …] [--methods …] [--splits …]``
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

import scgnn_tools as sgt
from benchmarks import grn_bootstrap, grn_data
from scgnn_tools._errors import LeakageError
from scgnn_tools.links import PREDICTORS
from scgnn_tools.splits import audit_pairs

METHODS = ["degree", "collaborative", "cosine", "pcc", "scregnet", "sgt"]
SPLITS = ["random", "degree_matched", "unseen_tf", "unseen_target"]
SHOWN = {"auroc": "AUROC", "auprc": "AUPRC", "auroc_per_tf": "AUROC/TF", "auprc_per_tf": "AUPRC/TF"}
SLOW = {"scregnet"}
REFERENCE = "collaborative"
NOT_RUN = {
    "GRN-Transformer": "it learns from weak labels, a generic network of bulk samples, and no such network of these cells is at hand; "
    "its attention over genes × cells needs a GPU"
}
"""Published methods without a row, and why."""


def variants(method: str, own: pd.DataFrame | None, cells: object, bundled: pd.DataFrame) -> dict[str, dict]:
    """Return what a method is given, by the name of the row: all that there is; for ours and scRegNet also without what is real."""
    needs = PREDICTORS[method].needs
    if "expression" in needs and cells is None:
        return {}
    if method == "sgt":
        out = {"sgt": {"embedding": own, "expression": cells}}
        if own is not None or cells is not None:
            out["sgt, given nothing"] = {}
        return out | {"sgt, labels only": {"knowledge": False}}
    if "embedding" not in needs:
        return {method: {"expression": cells} if "expression" in needs else {}}
    out = {method: {"embedding": bundled if own is None else own, "expression": cells}}
    if own is not None:
        out[f"{method}, bundled vectors"] = {"embedding": bundled, "expression": cells}
    return out


def score_network(
    data: Path, network: str, methods: list[str], wanted: list[str], n_runs: int
) -> tuple[list[dict], list[dict]]:
    """Return a row a split and method, and the draws of the difference to the reference."""
    pairs, own, cells = (
        grn_data.read(data, network),
        grn_data.vectors(data, network),
        grn_data.expression(data, network),
    )
    bundled = grn_data.bundled_vectors()
    if not network.startswith("beeline1"):  # the same pairs: one split of them by factor or target is enough
        wanted = [s for s in wanted if s in ("random", "degree_matched")]
    rows, differences = [], []
    for tests, split in grn_data.splits(pairs, wanted):
        train, validation = split[split["part"] == 0], split[split["part"] == 1]
        scores: dict[str, dict[str, np.ndarray]] = {name: {} for name, _ in tests}
        for method in methods:
            for shown, given in variants(method, own, cells, bundled).items():
                given = dict(given)
                options = {k: given.pop(k) for k in list(given) if k == "knowledge"}
                start, runs = time.perf_counter(), []
                for rng in range(n_runs if PREDICTORS[method].random else 1):
                    fitted = sgt.models.link_predictor(method, rng=rng, **options)
                    fitted.fit(
                        train, validation if len(validation) else None, genes=pd.unique(pairs["target"]), **given
                    )
                    runs.append([fitted.score(test) for _, test in tests])
                for (name, _), of_runs in zip(tests, zip(*runs, strict=True), strict=True):
                    scores[name][shown] = np.mean(of_runs, axis=0)
                seconds = time.perf_counter() - start
                for name, test in tests:
                    m = sgt.metrics.grn(test["label"], scores[name][shown], test["tf"])
                    row = {"network": network, "split": name, "method": shown, **{k: m[k] for k in SHOWN}}
                    rows.append({**row, "density": m["density"], "n": m["n"], "seconds": seconds})
        for name, test in tests:
            differences += compare(network, name, test, scores[name])
    return rows, differences


def stored(
    folder: Path | None, network: str, methods: list[str], wanted: list[str], n_runs: int, data: Path
) -> tuple[list, list]:
    """Return :func:`score_network`'s answer from the folder, or make it and keep it there."""
    file = (
        None
        if folder is None
        else folder / f"{network.replace(':', '_')}_{'-'.join(methods)}_{'-'.join(wanted)}_{n_runs}.json"
    )
    if file is not None and file.is_file():
        rows, drawn = json.loads(file.read_text())
        return rows, [{k: np.array(v) if isinstance(v, list) else v for k, v in d.items()} for d in drawn]
    rows, drawn = score_network(data, network, methods, wanted, n_runs)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([rows, drawn], default=lambda x: np.asarray(x).tolist()))
    return rows, drawn


def audit(data: Path, network: str) -> None:
    """Say what of the published test set shows in training."""
    pairs = grn_data.read(data, network)
    try:
        audit_pairs(pairs[pairs["part"] == 0], pairs[pairs["part"] == 2])
    except LeakageError as error:
        print(f"{network}: {str(error).split(',')[0]}", flush=True)


def compare(network: str, split: str, test: pd.DataFrame, scores: dict[str, np.ndarray]) -> list[dict]:
    """Return the draws of each method's difference to the reference, over factors."""
    if REFERENCE not in scores:
        return []
    label, tf = test["label"].to_numpy(), test["tf"].to_numpy()
    times = grn_bootstrap.draws(tf)
    measures = {"AUPRC": grn_bootstrap.auprc, "AUROC/TF": grn_bootstrap.auroc_per_tf}
    base = {name: f(label, scores[REFERENCE], tf, times) for name, f in measures.items()}
    out = []
    for method, score in scores.items():
        if method != REFERENCE and np.isfinite(score).all():
            drawn = {name: f(label, score, tf, times) - base[name] for name, f in measures.items()}
            out.append({"network": network, "split": split, "method": method, **drawn})
    return out


def table(rows: pd.DataFrame, splits: list[str]) -> str:
    """Return the wide table, a row a network and method."""
    wide = rows.pivot_table(
        index=["network", "method"], columns="split", values=["auroc", "auprc", "auroc_per_tf"], sort=False
    )
    there = [(v, s) for s in splits for v in ("auroc", "auprc", "auroc_per_tf") if (v, s) in wide.columns]
    short = {"random": "random", "degree_matched": "matched", "unseen_tf": "new TF", "unseen_target": "new target"}
    wide = wide[there]
    wide.columns = [f"{short[s]} {SHOWN[v]}" for v, s in there]
    return wide.round(3).to_string(na_rep="–")


def place(shown: str, methods: list[str]) -> tuple[int, str]:
    """Return what rows are sorted by: the method, then what it is given."""
    name = shown.split(",")[0]
    return methods.index(name), shown


def summary(rows: pd.DataFrame, differences: list[dict]) -> str:
    """Return the means over networks, and the mean differences to the reference with 95 % intervals over factors."""
    groups = rows.groupby(["split", "method"], observed=True)
    means = groups[list(SHOWN)].mean().rename(columns=SHOWN)
    means["networks"] = groups.size()
    frame = pd.DataFrame(differences)
    if frame.empty:
        return means.round(4).to_string()
    out = {}
    point = rows.astype({"split": str, "method": str}).set_index(["network", "split", "method"]).sort_index()
    there = {(split, method): part for (split, method), part in frame.groupby(["split", "method"], sort=False)}
    for split, method in (key for key in means.index if key in there):
        part = there[split, method]
        line = {}
        for name, column in (("AUPRC", "auprc"), ("AUROC/TF", "auroc_per_tf")):
            gain = [
                point.loc[(n, split, method), column] - point.loc[(n, split, REFERENCE), column]
                for n in part["network"]
            ]
            low, high = np.nanquantile(np.mean(np.stack(part[name].to_list()), axis=0), [0.025, 0.975])
            line[name] = f"{np.mean(gain):+.4f} [{low:+.4f}, {high:+.4f}]"
            line[f"better {name}"] = f"{int(np.sum(np.array(gain) > 0))}/{len(gain)}"
        out[(split, method)] = line
    gains = pd.DataFrame(out).T
    gains.index.names = ["split", "method"]
    return f"{means.round(4).to_string()}\n\nMean difference to {REFERENCE}, 95 % interval over factors\n{gains.to_string()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--quick", action="store_true", help="four small networks")
    parser.add_argument("--networks", nargs="+")
    parser.add_argument(
        "--samples", nargs="+", type=int, default=[1], choices=[1, 2, 3], help="published splits of BEELINE"
    )
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=list(PREDICTORS))
    parser.add_argument("--splits", nargs="+", default=SPLITS, choices=SPLITS)
    parser.add_argument("--runs", type=int, default=3, help="trainings of a method that draws")
    parser.add_argument("--store", type=Path, help="folder of finished networks")
    args = parser.parse_args()
    rows: list[dict] = []
    differences: list[dict] = []
    for network in args.networks or (grn_data.QUICK if args.quick else grn_data.networks(args.data, args.samples)):
        slow = args.networks is None and network not in grn_data.QUICK
        methods = [m for m in args.methods if not (slow and m in SLOW)]
        audit(args.data, network)
        more, drawn = stored(args.store, network, methods, args.splits, args.runs, args.data)
        rows, differences = rows + more, differences + drawn
        print(table(pd.DataFrame(more), args.splits), "\n", flush=True)
    frame = pd.DataFrame(rows)
    frame["split"] = pd.Categorical(frame["split"], args.splits)
    frame["method"] = pd.Categorical(
        frame["method"], sorted(frame["method"].unique(), key=lambda m: place(m, args.methods))
    )
    print(f"Means over networks\n{summary(frame, differences)}\n")
    print(frame.groupby("method", observed=True)["seconds"].agg(["mean", "max"]).round(1).to_string())
    once = frame.drop_duplicates(["network", "method", "seconds"])["seconds"].sum()
    print(f"{once / 60:.1f} minutes of fitting and scoring")
    for name, why in NOT_RUN.items():
        print(f"{name}: not run: {why}")


if __name__ == "__main__":
    main()
