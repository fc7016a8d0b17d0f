"""The public surface keeps one grammar: the object first, few positions, the same words, docstrings that name what is there."""

import dataclasses
import inspect
import re
from typing import Any

import pytest

import scgnn_tools as sgt

ROOMS = sorted(set(sgt.__all__) - {"print_versions", "settings"})
USED = ("fm", "graph", "metrics", "models", "pl", "pp", "tl")
"""Rooms whose functions say what each parameter is."""


def parts(name: str, thing: Any):
    """Yield a function or class and the methods that it defines."""
    yield name, thing
    for key, value in vars(thing).items() if inspect.isclass(thing) else ():
        method = getattr(value, "__func__", value)  # of a class method
        if not key.startswith("_") and inspect.isfunction(method):
            yield f"{name}.{key}", method


PUBLIC = dict(
    part for room in ROOMS for name in getattr(sgt, room).__all__ for part in parts(f"{room}.{name}", getattr(getattr(sgt, room), name))
    if callable(part[1])
)  # fmt: skip
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if not inspect.isclass(thing)}
CALLS = {name: f for name, f in FUNCTIONS.items() if re.fullmatch(r"(tl|pp|pl)\.\w+", name)}


def signature(thing):
    """Return the parameters by name, without the object itself; none where a class has no signature of its own."""
    if inspect.isclass(thing) and (dataclasses.is_dataclass(thing) or getattr(thing, "_is_protocol", False)):
        return {}  # fields say in place what they are
    return {n: p for n, p in inspect.signature(thing).parameters.items() if n not in ("self", "cls")}


def documented(thing):
    """Return the names of the section Parameters, None without one; those of the class whose ``__init__`` it is."""
    owners = [c for c in thing.__mro__ if "__init__" in vars(c)][:1] if inspect.isclass(thing) else []
    for doc in (inspect.cleandoc(owner.__doc__ or "") for owner in (thing, *owners)):
        section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", doc, re.M | re.S)
        if section:
            lines = [line for line in section[1].splitlines() if line and not line.startswith(" ")]
            return [name.strip().lstrip("*") for line in lines for name in line.split(":")[0].split(",")]
    return None


def places(parameters):
    return [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_docstring_names_the_parameters_that_there_are(name):
    parameters, said = signature(PUBLIC[name]), documented(PUBLIC[name])
    room, *path = name.split(".")
    if said is None:
        assert room not in USED or len(path) > 1 or len(parameters) < 2, "a section Parameters is missing"
    elif parameters:
        assert sorted(said) == sorted(parameters)


@pytest.mark.parametrize("name", CALLS)
def test_few_positions_and_no_bare_true(name):
    """The object and at most two more; ``f(adata, True)`` says nothing."""
    parameters = signature(CALLS[name])
    assert len(places(parameters)) <= 3
    assert next(iter(parameters)) in ("adata", "comparison", "curve", "edges", "evaluation", "history")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_words_mean_one_thing(name):
    parameters = signature(FUNCTIONS[name])
    assert not {"random_state", "seed", "n_jobs", "inplace"} & set(parameters), "rng=, copy="
    assert [p.name for p in places(parameters) if isinstance(p.default, bool)] == []
    for word in ("copy", "device", "key_added", "layer", "mod", "use_rep"):
        if name in CALLS and word in parameters:
            assert parameters[word].kind is inspect.Parameter.KEYWORD_ONLY, word
    if "rng" in parameters:
        # the same call gives the same answer; None draws nothing at all
        assert parameters["rng"].default in (0, None, inspect.Parameter.empty)
    for word, default in (("copy", False), ("device", "auto"), ("layer", None), ("gene_key", None), ("organism", None)):
        if name in CALLS and word in parameters:
            assert parameters[word].default == default, word


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if re.fullmatch(r"models\.\w+\.load", n)])
def test_models_are_read_alike(name):
    parameters = signature(FUNCTIONS[name])
    assert [p.name for p in places(parameters)] == ["folder", "adata"]
    assert parameters["adata"].default is None
    assert parameters["device"].default == "auto"


@pytest.mark.parametrize("name", [n for n in CALLS if not n.startswith("pl.")])
def test_what_writes_into_the_object_can_copy_and_be_named(name):
    parameters, doc = signature(CALLS[name]), CALLS[name].__doc__
    writes = "Sets the following field" in doc
    assert ("copy" in parameters) == writes
    fixed = name == "pp.match_genes"  # one report an object
    assert ("key_added" in parameters) == (writes and not fixed)


@pytest.mark.parametrize("name", [n for n in CALLS if n.startswith("pl.")])
def test_a_figure_changes_nothing_and_has_a_size(name):
    parameters = signature(CALLS[name])
    assert "copy" not in parameters
    for word, default in (("figsize", None), ("ax", None), ("show", None), ("save", None), ("return_fig", False)):
        assert parameters[word].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[word].default is default, word
    assert not {"{figure}", "{returns}"} & set(CALLS[name].__doc__.split())  # what all figures share is filled in
