"""The check of the words of the documentation finds what it is to find."""

from pathlib import Path

import pytest
from scripts.check_style import faults, main, pages, sentences


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Each factor has targets.", "write transcription factor"),
        ("One transcription factor, or a factor of 10.", None),
        ("We utilise cells, e.g. of blood.", "write use"),
        ("word " * 41 + ".", "a sentence of 41 words"),
        ("word " * 30 + ".", "30.0 words a sentence"),
        ("```python\nfactor = 1\n```\n| factor |\n# Factor\n", None),
        ("Call `factor` or [this](factor.md) now.", None),
    ],
)
def test_what_is_wrong_with_a_page(text, says):
    found = faults(text)
    assert (found == []) if says is None else any(says in fault for fault in found)


def test_a_span_of_code_is_one_word_and_a_link_its_text():
    assert sentences("Take `a b c` and [two words](x.md). Then {download}`file <x.txt>`.") == [
        ["Take", "CODE", "and", "two", "words"],
        ["Then", "CODE"],
    ]


def test_the_pages_keep_to_it():
    assert Path("README.md").resolve().name in {p.name for p in pages()}
    assert main([]) == 0
