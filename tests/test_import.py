import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scgnn_tools as sgt

SRC = Path(sgt.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
FLOORS = [
    "assets",
    "genes",
    "graph",
    "data",
    "nn",
    "splits",
    "metrics",
    "store",
    "fm",
    "train",
    "links",
    "labels",
    "annotation",
    "grn",
    "models",
    "pp",
    "tl",
    "pl",
    "cli",
]


def test_import_is_lazy():
    code = (
        "import sys, scgnn_tools\n"
        "heavy = {'torch', 'scanpy', 'torch_geometric', 'scvi', 'sklearn', 'matplotlib', 'mudata'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_rooms_load_on_first_use_and_are_listed():
    assert {"pp", "tl", "pl", "fm", "models", "metrics", "settings"} <= set(dir(sgt))
    for room in sgt.__all__:
        assert getattr(sgt, room) is not None


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'typo'"):
        sgt.typo  # noqa: B018


def calls(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_banned_calls(path):
    """No pickle, no unsafe load, no global seed, nothing that ties the code to one kind of device."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node, name in calls(tree):
        where = f"{path.relative_to(SRC)}:{node.lineno}"
        assert name not in {"np.random.seed", "random.seed", "torch.manual_seed", "numpy.random.seed"}, where
        assert not name.endswith(".cuda"), where
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if name == "torch.load":
            assert keywords.get("weights_only") == "True", where
        assert keywords.get("allow_pickle", "False") == "False", where
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            # the one place with an unpickler, which names what it may name
            allowed = {"pickle"} if path == SRC / "fm" / "_native.py" else set()
            found = {a.name.split(".")[0] for a in node.names} & {"pickle", "cloudpickle", "dill", "joblib"}
            assert found <= allowed
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in {"pickle", "cloudpickle", "dill"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_a_room_imports_only_from_floors_below(path):
    parts = path.relative_to(SRC).with_suffix("").parts
    mine = FLOORS.index(parts[0]) if parts[0] in FLOORS else -1
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scgnn_tools"):
            rooms = [node.module.split(".")[1]] if "." in node.module else [a.name for a in node.names]
            for room in rooms:
                theirs = FLOORS.index(room) if room in FLOORS else -1
                assert parts[0] in {"__init__", "_accessor"} or theirs <= mine, f"{path}:{node.lineno} imports {room}"
