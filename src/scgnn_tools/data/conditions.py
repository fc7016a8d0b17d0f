"""What was done to a cell, out of the names that people give it: "A", "A+ctrl", "B,A", ["A", "B"], "non-targeting"; at a dose "A@10"."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scgnn_tools._choices import did_you_mean, listed
from scgnn_tools._choices import text as checked_text
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable, writable
from scgnn_tools.genes import tables

Condition = tuple[str, ...]
"""The perturbed genes, sorted; the empty one is the control."""

CONTROLS = frozenset(
    {
        "ctrl",
        "control",
        "nontargeting",
        "nontargetingcontrol",
        "nt",
        "ntc",
        "negctrl",
        "negcontrol",
        "negativecontrol",
        "unperturbed",
        "untreated",
        "dmso",
        "vehicle",
    }
)
"""Names of a control, in lower case and without "-", "_" and blanks."""

NONE = frozenset({"", "nan", "none", "na", "n/a", "unknown", "unassigned"})
"""Names of a cell of which nobody knows what was done to it, in lower case."""


DOSED = re.compile(r"^(.+)@((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e-?[0-9]+)?)$", re.IGNORECASE)
"""A gene or drug at a dose, "A@10"."""

EXPONENT = re.compile(r"(@[0-9.]+e)\+(?=[0-9])", re.IGNORECASE)
"""The sign of a dose such as "A@2e+5", which parts no genes."""

PARTED = re.compile(r"(?<!\()\+(?![)/])|(?<!\b\d)(?<!\b\d\d),|,(?!\d)")
"""What parts genes: "+" and ","; not those of a drug's name, as in "(+)-JQ1" and "2,4-D"."""

BETWEEN_KNOWN = re.compile(r"[_|;&/:]")
"""What parts names that are known each by itself."""

GUIDES = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (r"^(.+?)[-_. ][0-9]+$", r"^(.+?)[-_. ]?(?:sgrna|sg|grna|guide|g)[-_. ]?[0-9]+$")
)
"""A guide, by the name of its gene and a number: "JAK1-2", "JAK1g2", "JAK1_sg1"."""


def is_control(name: str) -> bool:
    """Tell whether a name is a usual one of a control."""
    return re.sub(r"[-_\s]", "", name.lower()) in CONTROLS


def gene_of_guide(name: str) -> str | None:
    """Return the gene of a name that is a guide's, such as "JAK1g2"; None for any other, and for a gene that is called so."""
    genes = [] if _is_symbol(name) else [found[1] for pattern in GUIDES if (found := pattern.match(name))]
    return next((g for g in genes if _is_symbol(g) or is_control(g)), None)


def gene_of(name: str) -> str:
    """Return the gene or drug of "A@10", or of "A"."""
    found = DOSED.match(name)
    return found[1] if found and dose_of(name) is not None else name


def dose_of(name: str) -> float | None:
    """Return the dose of "A@10"; None without one, or with none that is a positive number."""
    found = DOSED.match(name)
    dose = float(found[2]) if found else 0.0
    return dose if 0 < dose < np.inf else None


def genes_of(condition: Iterable[str]) -> Condition:
    """Return the genes or drugs of a condition, whatever their dose."""
    return tuple(gene_of(g) for g in condition)


def at_dose(condition: Condition, dose: float) -> Condition:
    """Return the condition at a dose: each of its genes is "A@dose"."""
    return tuple(f"{g}@{dose:g}".replace("e+", "e") for g in condition)


def one_spelling(condition: Condition) -> Condition:
    """Return the condition with each dose in one spelling: "A@10.0" is "A@10"."""
    doses = [(gene_of(g), dose_of(g)) for g in condition]
    return tuple(sorted(g if d is None else at_dose((g,), d)[0] for g, d in doses))


def condition_name(condition: Condition) -> str:
    """Return "A+B"; "control" for the empty one."""
    return "+".join(condition) or "control"


def find_control(values: Iterable[Any], control: str = "auto") -> str:
    """Return the name of the control among the conditions, as it is written there.

    Parameters
    ----------
    values
        The conditions, each once or often.
    control
        Its name; "auto" looks for the usual ones.

    Raises
    ------
    InputValueError
        If there is none, or several that are usual.
    """
    names = sorted({_text(v) for v in values} - {""})
    if checked_text("control", control) != "auto":
        if control in names:
            return control
        msg = f"control={printable(control)!r} is no condition; the conditions are {listed(names)}.{did_you_mean(control, names)}"
        raise InputValueError(msg)
    found = [n for n in names if (parts := _parts(n)) and all(map(is_control, parts))]
    if len(found) == 1:
        return found[0]
    if not found:
        guides = [n for n in names if is_control(gene_of_guide(n) or "")]
        hint = f" {listed(guides[:3])} look like guides of a control: pass a column of genes." if guides else ""
        msg = f"No control among the conditions: {listed(names)}. Pass control= with the name of the cells that nothing was done to.{hint}"
        raise InputValueError(msg)
    msg = f"{len(found)} conditions could be the control: {listed(found)}. Pass control= with the one that is."
    raise InputValueError(msg)


def parse_conditions(values: Sequence[Any] | np.ndarray, *, control: str) -> list[Condition | None]:
    """Return the perturbed genes of each value; None where it says nothing.

    "+" and "," part genes, but not in names such as "(+)-JQ1" and "2,4-D"; "_", "|", ";", "&", "/" and ":" do where each part is the
    control, a gene, or a condition by itself: "drug_10" stays one.

    Parameters
    ----------
    values
        Names, or lists of names.
    control
        The name of the control, which counts as no gene.

    Raises
    ------
    InputValueError
        If one names a gene twice.
    """
    known: dict[str, Condition | None] = {}
    texts = [_text(v) for v in values]
    alone = {t for t in texts if t and not BETWEEN_KNOWN.search(t) and len(_parts(t)) == 1}
    for text in dict.fromkeys(texts):
        known[text] = None if text.lower() in NONE else _genes(text, control, alone)
    return [known[t] for t in texts]


def _genes(text: str, control: str, alone: set[str]) -> Condition:
    if text == control:
        return ()
    parts = [p for whole in _parts(text) for p in _known_parts(whole, control, alone)]
    genes = [p for p in parts if p != control and (len(parts) == 1 or not is_control(p))]
    if len(set(genes)) < len(genes):
        twice = next(g for g in genes if genes.count(g) > 1)
        msg = (
            f"The condition {printable(text)!r} names {printable(twice)!r} twice. "
            f"Call it {printable(condition_name(tuple(sorted(set(genes)))))!r}, or leave those cells out."
        )
        raise InputValueError(msg)
    return tuple(sorted(genes))


def _known_parts(text: str, control: str, alone: set[str]) -> list[str]:
    parts = [p for p in (p.strip() for p in BETWEEN_KNOWN.split(text)) if p]
    if len(parts) < 2 or text == control or is_control(text) or _is_symbol(text):
        return [text]
    known = all(p == control or is_control(p) or p in alone or _is_symbol(p) for p in parts)
    return parts if known else [text]


def _is_symbol(name: str) -> bool:
    return name in tables.known_symbols("human") or name in tables.known_symbols("mouse")


def _parts(text: str) -> list[str]:
    return [p for p in (p.strip() for p in PARTED.split(EXPONENT.sub(r"\1", text))) if p]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple | set | np.ndarray):
        return "+".join(_text(v) for v in value)
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return writable(str(value)).strip()
