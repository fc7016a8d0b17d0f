import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import SgtWarning
from scgnn_tools._keys import LabelKeys
from scgnn_tools.annotation.labeller import AnnotationResult
from scgnn_tools.annotation.novelty import Shift
from scgnn_tools.annotation.report import Report
from scgnn_tools.annotation.settings import AnnotationSettings
from scgnn_tools.annotation.writing import fields_of, warn_of

PROBA = np.array([[0.9, 0.1, 0], [0.5, 0.45, 0.05], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [1, 0, 0]], dtype=np.float32)
REPORT = Report(pd.DataFrame(), "", pd.DataFrame(), pd.DataFrame(), {}, "cells")
NEAR = Shift(100, 0.4, 0.9, np.zeros(4), taken_out=True, far=False)
FAR = Shift(100, 2.4, 0.3, np.zeros(4), taken_out=False, far=True)
RESULT = AnnotationResult(
    classes=np.array(["B", "NK", "T"]),
    proba=PROBA,
    strange=np.array([2, 2, 2, 0, 0], dtype=np.float32),
    sign=np.array([0, 3, 1, 0, 0]),
    empty=np.array([False, False, False, False, True]),
    shift=NEAR,
    markers={0: ["MS4A1", "CD79A"]},
    sets=None,
    vectors=None,
    order=None,
    agreement=None,
    report=REPORT,
    fitted=None,
    interrupted=False,
)


def reasons(result, **settings):
    got = fields_of(LabelKeys(), result, pd.RangeIndex(5).astype(str), AnnotationSettings("centroid", **settings), {})
    return list(got["obs"]["sgt_label_reason"])


def test_reasons_are_words_of_a_biologist():
    assert reasons(RESULT) == [
        "expresses too little of any class's markers (nearest: B: MS4A1, CD79A)",
        "between B and NK",
        "unlike every cell of the reference (nearest: T)",
        "",
        "no counts",
    ]
    assert reasons(replace(RESULT, shift=FAR))[:4] == ["unlike the reference as a whole"] * 3 + [""]


def test_a_cell_without_a_safe_name_lies_between_two():
    from scgnn_tools.annotation.hierarchy import read_hierarchy

    known = replace(RESULT, strange=np.zeros(5, dtype=np.float32))
    tree = read_hierarchy({"NK": "lymphocyte", "T": "lymphocyte", "B": "other"})
    assert reasons(known, hierarchy=tree)[1] == "no safe parent: between B and NK"


@pytest.mark.parametrize(
    ("n_unknown", "shift", "says"),
    [
        (40, NEAR, r"40 of 100 cells \(40%\) are Unknown; obs\['sgt_label_reason'\] says why.*pass a reference="),
        (100, FAR, r"unlike the reference as a whole \(2.4 spreads away\).*Pass a reference= of the same tissue"),
        (40, None, "40 of 100 cells"),
    ],
)
def test_declining_to_answer_says_what_to_do(n_unknown, shift, says):
    with pytest.warns(SgtWarning, match=says):
        warn_of(n_unknown, 100, shift, LabelKeys())


def test_a_usual_run_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of(29, 100, NEAR, LabelKeys())
        warn_of(0, 100, None, LabelKeys())
