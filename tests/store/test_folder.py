import json
import shutil
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.store import RunFolder, check_folder, digest, digest_rows

MATRIX = np.array([[0.5, np.nan], [1e-7, 3.0]], dtype=np.float32)
RECORD = {
    "text": "a",
    "n": 3,
    "table": pd.DataFrame({"x": [0.1, np.nan], "s": ["u", "v"], "b": [True, False]}, index=["r", "q"]),
}


def never():
    raise AssertionError("made again")


def test_what_is_kept_is_not_made_again(tmp_path):
    RunFolder(tmp_path / "new" / "s", {"method": "m"}).matrix("run0", lambda: MATRIX)
    again = RunFolder(tmp_path / "new" / "s", {"method": "m"})
    np.testing.assert_array_equal(again.matrix("run0", never), MATRIX)
    first = again.record("evaluation", lambda: RECORD)
    second = RunFolder(tmp_path / "new" / "s", {"method": "m"}).record("evaluation", never)
    for got in (first, second):
        pd.testing.assert_frame_equal(got["table"], RECORD["table"])
        assert (got["text"], got["n"]) == ("a", 3)
    assert not [p for p in (tmp_path / "new" / "s").iterdir() if ".part" in p.name]


def test_half_a_character_has_a_digest_of_its_own():
    half = ["\ud800", "\udc00", "?"]
    table = (
        [] if pd.Index(["a"]).dtype != object else [lambda t: pd.DataFrame({"x": [t]})]
    )  # pandas 3 holds no such text
    for shape in (str, lambda t: np.array(["a", t], dtype=object), lambda t: {t: 1}, *table):
        assert len({digest(shape(t)) for t in half}) == 3


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    store = RunFolder(tmp_path / "s", {})
    store.matrix("run0", lambda: MATRIX)
    store.record("r", lambda: {"n": 1})
    path = tmp_path / "s" / "run0.safetensors"
    data = path.read_bytes()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    path.write_bytes({"cut": data[: len(data) // 2], "flip": flipped, "empty": b""}[damage])
    np.testing.assert_array_equal(store.matrix("run0", lambda: MATRIX + 1), MATRIX + 1)
    text = (tmp_path / "s" / "r.json").read_text()
    (tmp_path / "s" / "r.json").write_text(
        {"cut": text[:9], "flip": text.replace('"n": 1', '"n": 2'), "empty": ""}[damage]
    )
    assert store.record("r", lambda: {"n": 5}) == {"n": 5}


def test_another_plan_is_refused_and_named(tmp_path):
    RunFolder(tmp_path / "s", {"method": "m", "rng": "0"})
    with pytest.raises(InputValueError, match=r"holds another run, which differs in rng \(0 there, 1 here\)"):
        RunFolder(tmp_path / "s", {"method": "m", "rng": "1"})
    assert json.loads((tmp_path / "s" / "plan.json").read_text())["rng"] == "0"


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.docx").touch()
    for path in (tmp_path, tmp_path / "thesis.docx"):
        with pytest.raises(InputValueError, match="exists and is no folder of finished runs"):
            check_folder(path)
    check_folder(tmp_path / "new" / "deeper")
    assert not (tmp_path / "new").exists()
    check_folder(None)


def test_nothing_is_kept_without_a_folder():
    store = RunFolder(None, {})
    assert store.matrix("a", lambda: MATRIX) is MATRIX
    assert store.record("a", lambda: RECORD) is RECORD


def test_a_digest_sees_every_part():
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=["x", "y"])
    csr = sp.csr_matrix(np.eye(3))
    seen = [
        digest(frame), digest(frame * 2), digest(frame.rename(index={"x": "z"})), digest(csr), digest(csr * 2), digest(csr[:2]),
        digest(np.array(["ab", "c"], dtype=object)), digest(np.array(["a", "bc"], dtype=object)), digest(MATRIX),
        digest(MATRIX.T), digest("a"),
    ]  # fmt: skip
    assert len(set(seen)) == len(seen)
    assert digest(frame) == digest(frame.copy())


def test_a_digest_takes_what_holds_nothing_and_any_text():
    kinds = [
        np.zeros((0, 5)),
        np.zeros((3, 0)),
        np.zeros(0),
        sp.csr_matrix((3, 0)),
        "\ud800",
        np.array(["\ud800", "a"], dtype=object),
    ]
    assert len({digest(k) for k in kinds}) == len(kinds)
    assert digest(MATRIX.T) == digest(np.ascontiguousarray(MATRIX.T))


def test_a_plan_may_hold_any_text(tmp_path):
    for _ in range(2):
        RunFolder(tmp_path / "s", {"groupby": "T \ud800 β"})
    with pytest.raises(InputValueError, match="differs in groupby"):
        RunFolder(tmp_path / "s", {"groupby": "T β"})


def test_of_two_plans_in_one_new_store_one_is_accepted(tmp_path):
    for i in range(10):
        accepted, refused = [], []

        def open_store(plan, folder=tmp_path / str(i), accepted=accepted, refused=refused):
            try:
                RunFolder(folder, {"method": plan})
            except InputValueError:
                refused.append(plan)
            else:
                accepted.append(plan)

        threads = [threading.Thread(target=open_store, args=(plan,)) for plan in ("a", "b") * 3]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(set(accepted)) == 1
        assert len(accepted) == len(refused) == 3


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "plan.json").write_text('{"a"'), "plan.json is damaged"),
        (lambda f: (f / "plan.json").write_text("[]"), "plan.json is damaged"),
        (lambda f: (f / "plan.json").write_text("[" * 100_000), "plan.json is damaged"),
        (lambda f: (f / "plan.json").unlink(), "without a plan.json"),
        (lambda f: ((f / "plan.json").unlink(), (f / "plan.json").symlink_to(f / "nowhere")), "is a link"),
    ],
)
def test_a_plan_that_is_damaged_or_lost_is_an_error(tmp_path, damage, says):
    RunFolder(tmp_path / "s", {"rng": 0}).matrix("run0", lambda: MATRIX)
    damage(tmp_path / "s")
    with pytest.raises(InputValueError, match=says):
        RunFolder(tmp_path / "s", {"rng": 0})
    assert not (tmp_path / "s" / "nowhere").exists()


def test_parts_of_another_kind_are_made_again(tmp_path):
    store = RunFolder(tmp_path / "s", {})
    store.matrix("run0", lambda: MATRIX)
    assert store.matrix("run0", lambda: np.ones((1, 2)), (1, 2)).shape == (1, 2)
    (tmp_path / "s" / "r.json").write_text("[1, 2]")
    assert store.record("r", lambda: {"n": 5}) == {"n": 5}


def test_parts_that_changed_places_or_are_of_another_run_are_made_again(tmp_path):
    def folder(rng):
        return RunFolder(tmp_path / str(rng), {"rng": rng})

    for rng in (0, 1):
        for run in (0, 1):
            folder(rng).matrix(f"run{run}", lambda: MATRIX)
            folder(rng).record(f"evidence{run}", lambda: {"n": 0})
    for kind in ("run", "evidence"):
        for file in (tmp_path / "0").glob(f"{kind}0.*"):
            shutil.copy(file, tmp_path / "0" / f"{kind}1{file.suffix}")
            shutil.copy(file, tmp_path / "1" / file.name)
    for rng, run in ((0, 1), (1, 0)):
        assert folder(rng).matrix(f"run{run}", lambda: MATRIX + 1)[0, 0] == MATRIX[0, 0] + 1
        assert folder(rng).record(f"evidence{run}", lambda: {"n": 5}) == {"n": 5}
    assert folder(0).record("evidence0", lambda: {"n": 5}) == {"n": 0}


def test_parts_that_an_older_version_kept_go_on(tmp_path):
    content = {"n": 3}
    RunFolder(tmp_path, {})
    (tmp_path / "r.json").write_text(json.dumps({"sha256": digest(json.dumps(content)), "content": content}))
    assert RunFolder(tmp_path, {}).record("r", lambda: {"n": 5}) == content


def test_forgetting_takes_the_plan_and_the_state_of_a_training(tmp_path):
    for name in ("last.safetensors", "last-q0.safetensors", "last.ckpt", "best.ckpt", "plan.json", "history.csv"):
        (tmp_path / name).touch()
    RunFolder(tmp_path, {"rng": 0}, resume=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.csv", "plan.json"]


def test_a_digest_of_rows_does_not_see_the_blocks():
    x = sp.random_array((20, 5), density=0.5, format="csr", rng=np.random.default_rng(0), dtype=np.float32)
    whole, halves = digest_rows([x]), digest_rows([x[:7], x[7:]])
    assert whole == halves
    assert whole != digest_rows([x[:7], x[8:]])
    assert digest({"a": 1, "b": [MATRIX]}) == digest({"b": [MATRIX], "a": 1}) != digest({"a": 1, "b": MATRIX})
