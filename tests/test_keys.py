import re
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scgnn_tools as sgt
from scgnn_tools import _keys
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import GrnKeys, LabelKeys, PerturbationKeys
from scgnn_tools._names import as_key, check_apart, check_key, safe_names


def test_keys_are_those_of_the_documentation():
    e = _keys.EmbeddingKeys("cgc-mini")
    assert (e.obsm, e.varm, e.uns) == ("X_cgc-mini", "cgc-mini", "cgc-mini")
    k = _keys.LabelKeys()
    assert (k.obs, k.confidence, k.proba, k.uns) == (
        "sgt_label",
        "sgt_label_confidence",
        "sgt_label_proba",
        "sgt_label",
    )
    assert _keys.GrnKeys().varp == _keys.GrnKeys().uns == "sgt_grn"


def test_no_other_module_spells_a_key():
    """Outside ``_keys.py`` a name written into an AnnData stands only in docstrings."""
    literal = re.compile(r"""(obsm|varm|obs|uns|varp|obsp)\[f?["'](X_|sgt)""")
    for path in Path(sgt.__file__).parent.rglob("*.py"):
        if path.name == "_keys.py":
            continue
        code = re.sub(r'""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.S)
        code = "\n".join(line.split("#")[0] for line in code.splitlines())
        assert not literal.search(code), path


BAD_KEYS = ["", " ", "a/b", ".", "..", "_index", "__categories", "a\x00b", "\ud800", "k" * 300]


@pytest.mark.parametrize("value", [*BAD_KEYS, 3, None, True, b"k", ("a",)], ids=lambda v: repr(v)[:20])
def test_a_key_that_no_file_could_hold_is_refused_with_one_that_it_could(value):
    with pytest.raises((InputValueError, InputTypeError), match=r"Pass for example key_added=") as caught:
        check_key(value)
    assert len(str(caught.value)) < 500
    str(caught.value).encode()


@pytest.mark.parametrize("value", ["a", "a b", "a.b", "細胞", "$\\frac$", "k|1", "'\"", "a\nb"])
def test_a_key_that_a_file_can_hold_is_left_alone(value):
    assert check_key(value) == value


def test_names_that_are_taken_are_refused():
    with pytest.raises(InputValueError, match=r"'sgt' is the name of something else"):
        check_key("sgt")
    with pytest.raises(InputValueError, match=r"made from: labels_key='kind'. Pass another key_added="):
        check_apart(["kind", "kind_reason"], labels_key="kind")
    check_apart(["kind"], labels_key=None)


@pytest.mark.parametrize(
    ("names", "safe"),
    [
        (["A/B", "A|B", "C"], ["A|B (2)", "A|B", "C"]),
        (["A|B", "A/B", "A|B (2)"], ["A|B", "A|B (3)", "A|B (2)"]),
        (["_index", ".", "..", "", "__x"], ["(_index)", "(.)", "(..)", "()", "(__x)"]),
        (["a\x00", "a\ud800", "a\x01"], ["a�", "a� (2)", "a� (3)"]),
        ([1, 2.5, None], ["1", "2.5", "None"]),
    ],
)
def test_safe_names_are_all_different_and_what_is_safe_stays(names, safe):
    assert safe_names(names) == safe


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=8), unique=True, max_size=12))
def test_a_table_with_safe_names_survives_a_file(names):
    safe = safe_names(names)
    assert len(set(safe)) == len(names)
    assert all(as_key(s) == s for s in safe)
    safe.append("last")
    adata = ad.AnnData(obsm={"d": pd.DataFrame(np.ones((2, len(safe))), index=["0", "1"], columns=safe)}, shape=(2, 0))
    with tempfile.TemporaryDirectory() as folder:
        adata.write_h5ad(f"{folder}/a.h5ad")
        assert set(ad.read_h5ad(f"{folder}/a.h5ad").obsm["d"].columns) == set(safe)


@pytest.mark.parametrize("key", [3, None, [], {}, np.array([1, 2])])
def test_the_name_of_a_result_is_a_text_whoever_reads_it(key):
    for keys in (GrnKeys, LabelKeys, PerturbationKeys):
        with pytest.raises(InputTypeError, match="name of a result is a text"):
            keys(key)
