import json
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.store import RunFolder, check_folder, digest

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
