"""``sgt models``, ``sgt download`` and ``sgt info``: what there is, and what is here."""

import argparse
import sys
from pathlib import Path

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable

COLUMNS = {"bundled": 8, "licence": 34, "organism": 9, "gene_key": 8, "input": 6, "dimension": 5, "n_genes": 7}
"""Of the table of models, with their widths: 100 characters a line, the name included."""


def add(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the parser."""
    p = words.add_parser(
        "models", help="list the foundation models, or show the card of one", epilog="example: sgt models scgpt"
    )
    p.add_argument("name", nargs="?", help="show all that is known of this model")
    p = words.add_parser(
        "download",
        help="fetch the published weights of a model",
        epilog="example: sgt download geneformer --variant Geneformer-V1-10M",
    )
    p.add_argument("name", help="a model of `sgt models`")
    p.add_argument("--variant", help="which of its checkpoints (default: the first)")
    p.add_argument("--folder", type=Path, help="where to (default: the cache folder of the settings)")
    p.add_argument(
        "--accept-license", action="store_true", help="you have read the licence of the weights and may use them"
    )
    words.add_parser(
        "info", help="versions, devices, settings, and the weights that are here", epilog="example: sgt info"
    )
    for word in ("models", "download", "info"):
        words.choices[word].set_defaults(run=lambda args: print(run(args)))


def run(args: argparse.Namespace) -> str:
    """Return what the command says."""
    if args.word == "info":
        return _info()
    if args.word == "download":
        return _download(args)
    return _table() if args.name is None else _card(args.name)


def _table() -> str:
    import pandas as pd

    import scgnn_tools as sgt

    names = {"gene_key": "genes by", "n_genes": "genes", "dimension": "size"}
    lines = [f"{'name':<13}" + " ".join(f"{names.get(c, c):<{w}}" for c, w in COLUMNS.items())]
    for name, facts in pd.DataFrame(sgt.fm.list()).iterrows():
        lines.append(f"{name!s:<13}" + " ".join(f"{_short(facts[c], w):<{w}}" for c, w in COLUMNS.items()))
    lines += [
        "",
        "`sgt models NAME` shows a card; `sgt download NAME` fetches weights that are not bundled.",
    ]
    return "\n".join(line.rstrip() for line in lines)


def _short(value: object, width: int) -> str:
    text = _words(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else printable(value, limit=500)


def _card(name: str) -> str:
    import textwrap

    import scgnn_tools as sgt

    facts = sgt.fm.card(name).as_dict()
    rows = []
    for key, value in facts.items():
        lines = textwrap.wrap(_words(value), 84) or ["-"]
        rows += [f"{key:<14}{lines[0]}", *(f"{'':<14}{line}" for line in lines[1:])]
    return "\n".join(rows)


def _download(args: argparse.Namespace) -> str:
    import scgnn_tools as sgt

    card, size = sgt.fm.card(args.name), sgt.fm.download_size(args.name, variant=args.variant)
    if card.restricted and not args.accept_license:
        msg = (
            f"The weights of {card.title} come under: {card.licence}. Read it at {card.weights}; if you may use them, "
            "add --accept-license."
        )
        raise InputValueError(msg)
    told = "size not told" if size is None else f"{size / 1e6:,.0f} MB"
    print(f"{card.title}: {told}; licence: {card.licence}; from {card.weights}", file=sys.stderr)
    folder = sgt.fm.download(args.name, variant=args.variant, folder=args.folder, accept_license=args.accept_license)
    return f"{folder}\nsgt embed cells.h5ad --model {args.name} --checkpoint {folder} --output embedded.h5ad"


def _info() -> str:
    import dataclasses
    import io

    import scgnn_tools as sgt

    out = io.StringIO()
    sgt.print_versions(file=out)
    settings = ", ".join(f"{f.name}={getattr(sgt.settings, f.name)}" for f in dataclasses.fields(sgt.settings))
    cache = sgt.settings.cache_dir
    weights = (
        ", ".join(str(folder.relative_to(cache)) for folder in sgt.fm.downloaded())
        or "none; `sgt download scgpt` fetches some"
    )
    return f"{out.getvalue()}\nsettings: {settings}\nweights in {cache}: {weights}"
