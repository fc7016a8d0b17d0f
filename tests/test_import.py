import ast
import copy
import pickle
from pathlib import Path

import pytest

import scgnn_tools as sgt

SRC = Path(sgt.__file__).parent
UNREACHED = {"assets", "cli", "store", "train"}
"""Rooms that ``import scgnn_tools as sgt`` does not hand out."""


def test_import_is_lazy(fresh):
    assert fresh["heavy"] == []


def test_rooms_load_on_first_use_and_are_listed():
    rooms = {folder.parent.name for folder in SRC.glob("*/__init__.py")}
    assert set(sgt.__all__) - {"print_versions", "settings"} == rooms - UNREACHED
    assert set(sgt.__all__) <= set(dir(sgt))
    for room in sgt.__all__:
        assert getattr(sgt, room) is not None


def test_rooms_of_arrays_or_of_names_do_without_torch(fresh):
    assert not fresh["torch for rooms of arrays and names"]


def test_what_is_at_hand_at_the_first_use_is_let_go(fresh):
    """PyTorch's import keeps the frames that led to it, and a file that one of them holds stays open."""
    assert not fresh["held"]


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'typo'"):
        sgt.typo  # noqa: B018
    with pytest.raises(
        AttributeError, match=r"'scgnn_tools.tl' has no attribute 'infer_gnr'\. Did you mean 'infer_grn'"
    ):
        sgt.tl.infer_gnr  # noqa: B018


def test_nothing_ties_the_code_to_one_kind_of_device_or_lets_a_file_run_code():
    """What ruff cannot say: a method of any object, a keyword of any call. The rest is banned in pyproject.toml."""
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                said = ast.unparse(node.func)
                where = f"{path.relative_to(SRC)}:{node.lineno}"
                assert not said.endswith(".cuda"), where
                assert keywords.get("allow_pickle", "False") == "False", where
                assert said != "torch.load" or keywords.get("weights_only") == "True", where


def test_a_function_that_uses_the_package_travels_to_other_processes():
    cloudpickle = pytest.importorskip("cloudpickle")
    code = "import scgnn_tools as sgt\ndef count(): return len(sgt.__version__)"
    there = {"__name__": "__main__"}
    exec(code, there)
    assert pickle.loads(cloudpickle.dumps(there["count"]))() == len(sgt.__version__)
    assert copy.deepcopy({"package": sgt})["package"] is sgt
