"""A few damaged files of each reader, always the same ones; ``make fuzz`` draws others for ten minutes."""

import subprocess
import sys

import hypothesis
import pytest

from tests.fuzz.readers import READERS, tried

FEW = hypothesis.settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=(hypothesis.Phase.generate,),
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_an_error_of_ours_or_a_sound_result(name, tmp_path):
    reader = READERS[name]
    if reader.make is not None:
        reader.make(tmp_path / "sound")
        assert tried(reader, tmp_path / "sound", tmp_path / "scratch", []) == "sound"

    @FEW
    @hypothesis.given(case=reader.draws)
    def read(case):
        tried(reader, tmp_path / "sound", tmp_path / "scratch", case)

    read()


@pytest.mark.slow
def test_a_case_is_read_again():
    case = '{"columns": ["source", "target"], "rows": [["A", "B"]], "kind": "object"}'
    again = [sys.executable, "-m", "tests.fuzz", "--again", "prior", case]
    assert subprocess.run(again, check=True, capture_output=True, text=True).stdout == "sound\n"
