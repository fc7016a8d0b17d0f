import inspect

import pytest

from scgnn_tools._deprecated import renamed
from scgnn_tools._errors import InputValueError


@renamed(device=lambda value: {"accelerator": value, "devices": 1})
def train(max_epochs=1, *, accelerator="auto", devices="auto"):
    """Say what came."""
    return max_epochs, accelerator, devices


def test_an_old_name_is_taken_with_a_warning_that_says_the_new_one():
    with pytest.warns(
        FutureWarning, match=r"device= goes in the next release; pass accelerator='cpu', devices=1 to train"
    ):
        assert train(3, device="cpu") == (3, "cpu", 1)
    assert train(3, accelerator="cpu") == (3, "cpu", "auto")


def test_a_method_is_named_by_the_class_that_the_user_has():
    class Base:
        @renamed(device=lambda value: {"accelerator": value})
        def train(self, accelerator="auto"):
            return accelerator

    with pytest.warns(FutureWarning, match=r"to Mine\.train\."):
        assert type("Mine", (Base,), {})().train(device="cpu") == "cpu"


def test_old_and_new_together_are_refused_and_the_signature_has_no_old_name():
    with pytest.raises(InputValueError, match="device= is the old name of accelerator="):
        train(device="cpu", accelerator="gpu")
    assert "device" not in inspect.signature(train).parameters
    with pytest.raises(TypeError):
        train(speed=3)
