"""The table of docs/robustness.md: how many tests hold each kind of fault. ``python -m scripts.robustness_counts`` prints it."""

import subprocess
import sys

KINDS = {
    "the same cell, the same vector": [
        "tests/test_properties.py",
        "tests/data/test_kind.py",
        "tests/tl/test_integrate.py::test_the_order_of_cells_and_genes_decides_nothing",
        "tests/tl/test_integrate.py::test_an_integrator_is_the_same_for_any_order",
    ],
    "an honest resume": [
        "tests/train/test_pretrain.py",
        "tests/train/test_full_batch.py",
        "tests/store",
        "tests/models/test_train.py",
    ],
    "species and features": ["tests/genes/test_species.py", "tests/genes/test_ids.py", "tests/genes/test_match.py"],
    "kinds of input": ["tests/test_robustness.py", "tests/test_modality.py", "tests/data/test_bounds.py"],
    "vectors, numbers and arguments": ["tests/test_choices.py", "tests/test_doors.py"],
    "keys and labels": ["tests/test_keys.py", "tests/test_fields.py", "tests/pl/test_names.py"],
    "damaged and hostile files": [
        "tests/fuzz",
        "tests/fm/test_damage.py",
        "tests/fm/test_sizes.py",
        "tests/fm/test_dictionary.py",
        "tests/fm/test_checkpoint.py",
        "tests/tl/test_integrate.py::test_a_folder_that_was_changed_and_sealed_again_is_refused",
    ],
    "saving is whole": ["tests/test_write.py", "tests/cli/test_files.py"],
    "downloads": ["tests/fm/test_download.py", "tests/fm/test_content.py"],
    "signals": [
        "tests/train/test_signals.py",
        "tests/cli/test_integrate.py::test_a_signal_ends_the_command_with_its_status_and_nothing_half_written",
        "tests/cli/test_main.py",
    ],
    "networks and priors": [
        "tests/graph/test_prior.py",
        "tests/graph/test_edge_table.py",
        "tests/gene_tasks/test_programs.py",
        "tests/gene_tasks/test_program_scores.py",
        "tests/tl/test_gene_programs.py",
    ],
    "threads and forks": ["tests/test_threads.py"],
    "faults reported by others": [
        "tests/tl/test_evaluate_grn.py",
        "tests/tl/test_tf_activity.py",
        "tests/tl/test_embed.py",
    ],
}
"""Kinds of fault, in the order of docs/robustness.md, and where their tests are."""


def counts(lines: list[str]) -> dict[str, int]:
    """Return the tests of each kind, from the lines of ``pytest --collect-only -q``."""
    return {kind: sum(_is_in(line, places) for line in lines) for kind, places in KINDS.items()}


def _is_in(line: str, places: list[str]) -> bool:
    return any(line == p or line.startswith((f"{p}/", f"{p}::", f"{p}[")) for p in places)


def table(found: dict[str, int]) -> str:
    """Return the rows as Markdown."""
    rows = [
        f"| {i} | {kind} | {n} | {', '.join(f'`{p}`' for p in dict.fromkeys(map(_shown, KINDS[kind])))} |"
        for i, (kind, n) in enumerate(found.items(), 1)
    ]
    return "\n".join(["| | kind of fault | tests | where |", "|---|---|---|---|", *rows])


def _shown(place: str) -> str:
    return place.split("::")[0].removeprefix("tests/")


def main() -> int:
    """Collect and print."""
    files = sorted({p.split("::")[0] for places in KINDS.values() for p in places})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return 1
    print(table(counts(done.stdout.splitlines())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
