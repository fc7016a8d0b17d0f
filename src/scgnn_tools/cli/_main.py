"""Arguments of the command ``sgt`` and what each of its words does."""

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import scgnn_tools as sgt
from scgnn_tools._errors import SgtError
from scgnn_tools._keys import GrnKeys
from scgnn_tools._write import write_whole
from scgnn_tools.cli import _about, _annotate, _files, _integrate, _pretrain, _report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sgt", description=sgt.__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=f"scgnn_tools {sgt.__version__}")
    parser.add_argument("--quiet", action="store_true", help="no notices, no progress bars")
    words = parser.add_subparsers(dest="word", required=True, metavar="command")

    demo = words.add_parser("demo", help="embed, annotate, infer a network and plot, on real cells, offline")
    demo.add_argument("--output", type=Path, default=Path("demo"), help="folder of the results (default: demo)")

    _pretrain.add(words)
    _integrate.add(words)
    _report.add(words)
    _about.add(words)

    for word, text in (
        ("embed", "add cell and gene vectors of a foundation model"),
        ("annotate", "label the cells"),
        ("grn", "infer a gene regulatory network"),
    ):
        p = words.add_parser(word, help=text)
        p.add_argument(
            "input", type=Path, help="cells: .h5ad, .zarr, 10x .h5, .loom, a table of text, or a folder with matrix.mtx"
        )
        output = "a new .h5ad file" + " or .csv" * (word == "grn")
        p.add_argument("--output", type=Path, required=word != "embed", help=output)
        p.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
        p.add_argument("--layer", help="the matrix to use: a layer, X or raw (default: the first that fits)")
        p.add_argument("--gene-key", help="column of var that holds the gene names (default: var_names)")
        p.add_argument("--organism", choices=["human", "mouse"], help="default: found out from the gene names")
        if word == "embed":
            p.add_argument(
                "--model", default="auto", help="name of a model, see `sgt models` (default: the best bundled)"
            )
            p.add_argument(
                "--checkpoint", type=Path, help="weights, in a published format or as this package saves them"
            )
            p.add_argument(
                "--store", help="a zarr folder of vectors in the place of --output: larger than memory, resumable"
            )
            p.add_argument(
                "--shard", type=_shard, metavar="I/N", help="with --store: part I of N of the cells, counted from 0"
            )
        else:
            p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
            p.add_argument("--method", help="see the documentation of sgt.tl (default: scgrapht; sgt)")
        if word == "annotate":
            _annotate.add(p)
        if word == "grn":
            p.add_argument("--split", help="how the evaluation holds edges back (default: unseen_tf_matched)")
            p.add_argument(
                "--prior",
                action="append",
                help="trrust, collectri, dorothea, a file or a key of varp (default: trrust); may be repeated",
            )
            p.add_argument("--tfs", help="a transcription factor, or a file with one a line (default: a bundled list)")
            p.add_argument("--mask", help="a network, as --prior: only its pairs can be edges")
            p.add_argument("--groupby", help="column of obs: a network for each of its groups")
            p.add_argument("--n-runs", type=int, help="trainings with different seeds (default: 3)")
            p.add_argument("--n-top", type=int, help="targets kept of each factor (default: 100)")
            p.add_argument("--store", type=Path, help="folder of finished runs: a killed command goes on from there")
            p.add_argument(
                "--export",
                type=Path,
                action="append",
                default=[],
                help="write the network too: .graphml, .cyjs, .csv, .tsv, .gmt, .parquet, or .html for the page; may be repeated",
            )
    return parser


def _shard(text: str) -> tuple[int, int]:
    index, slash, n = text.partition("/")
    if not slash or not (index.isdecimal() and n.isdecimal()):
        msg = f"a part and their number, as in 0/16 to 15/16; got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(index), int(n)


def _embed_to_store(args: argparse.Namespace) -> None:
    names = {"layer", "gene_key", "organism", "model", "checkpoint", "store", "shard"}
    sgt.tl.embed(args.input, **{k: v for k, v in vars(args).items() if k in names and v is not None})
    print(f"{args.store} written" + (f", part {args.shard[0]} of {args.shard[1]}" if args.shard else ""))


def _run(args: argparse.Namespace) -> None:
    if args.quiet:
        sgt.settings.progress = sgt.settings.verbose = False
    if args.word == "demo":
        from scgnn_tools.cli._demo import demo

        print(demo(args.output))
        return
    if args.word in (own := {"pretrain": _pretrain.run, "integrate": _integrate.run, "report": _report.run}):
        own[args.word](args)
        return
    if args.word in ("models", "download", "info"):
        print(_about.run(args))
        return

    if args.word == "embed":
        _files.check_place(args.output, args.store, args.shard)
        if args.store is not None:
            _embed_to_store(args)
            return
    _files.check_output(args.output, overwrite=args.overwrite)
    if args.output.suffix == ".csv" and args.word != "grn":
        msg = f"`sgt {args.word}` writes an .h5ad file; got --output {args.output}."
        raise SgtError(msg)
    names = {"layer", "gene_key", "organism", "device", "model", "checkpoint", "method", "labels_key", "split"}
    names |= {"groupby", "n_runs", "n_top", "store", "prior", "tfs", "mask"}
    given = {k: v for k, v in vars(args).items() if k in names and v is not None}
    if len(given.get("prior", [])) == 1:
        given["prior"] = given["prior"][0]
    exports = getattr(args, "export", [])
    for path in exports:
        _files.check_export(path, overwrite=args.overwrite)
    _files.check_distinct([args.output, *exports])
    if args.word == "annotate":
        _annotate.check(args)
    adata = _files.read(args.input)
    _files.check_space(args.output, adata)
    calls: dict[str, Callable[..., object]] = {
        "embed": sgt.tl.embed,
        "grn": sgt.tl.infer_grn,
    }
    if args.word == "annotate":
        _annotate.run(adata, args, given)
    else:
        calls[args.word](adata, **given)
    if args.output.suffix == ".csv":
        edges = adata.uns[GrnKeys().uns]["edges"]
        write_whole(args.output, lambda part: edges.to_csv(part, index=False))
    else:
        _files.check_space(args.output, adata)
        write_whole(args.output, adata.write_h5ad)
    print(f"{args.output} written")
    for path in exports:
        if path.suffix == ".html":
            sgt.pl.grn(adata, interactive=True, save=path)
        else:
            sgt.tl.export_grn(adata, path, overwrite=True)
        print(f"{path} written")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``sgt``; return its exit status: 0 done, 1 an error of the input, 128 + the number of the signal that ended it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no ü gets an escape, not an error
    args = _parser().parse_args(argv)
    try:
        # a training ends as the signal asks, with what is resumable on disk; other commands take away what they have half written
        with nullcontext() if args.word == "pretrain" else _terminable():
            _run(args)
            sys.stdout.flush()
    except SgtError as error:
        print(f"sgt: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        _mute()
        return 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1
    except OSError as error:
        _mute()
        print(f"sgt: {_files.reason(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sgt: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except _Terminated:
        print("sgt: terminated", file=sys.stderr)
        return 128 + signal.SIGTERM
    return 0


class _Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind what is under way, so that nothing half written stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _mute() -> None:
    """Send what Python still holds for an output that takes no more to nowhere: it would fail again at the end of the process."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
