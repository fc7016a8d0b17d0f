import pytest
import torch

import scgnn_tools as sgt
from scgnn_tools._device import halving, resolve_device, resolve_precision
from scgnn_tools._errors import InputValueError


def test_auto_is_the_gpu_where_there_is_one():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_that_is_not_there_is_an_error_that_lists_those_that_are():
    with pytest.raises(InputValueError, match=r"this machine has cpu.*device='auto'"):
        resolve_device(f"cuda:{torch.cuda.device_count() + 3}")
    with pytest.raises(InputValueError, match="this machine has cpu"):
        resolve_device("toaster")
    for odd in (2.5, None, ["cpu"]):
        with pytest.raises(InputValueError, match="is not available; this machine has cpu"):
            resolve_device(odd)
    with pytest.raises(InputValueError, match="'meta' is not available"):
        resolve_device("meta")


def test_precision():
    cpu = torch.device("cpu")
    assert resolve_precision("auto", cpu) is torch.float32
    assert resolve_precision("bfloat16", cpu) is torch.bfloat16
    with pytest.raises(InputValueError, match="precision is 'auto', 'float32', 'bfloat16' or 'float16'; got 'int3'"):
        resolve_precision("int3", cpu)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("x"), MemoryError()])
def test_halving_until_it_fits_and_saying_so(caplog, error):
    sizes = []

    def run(size):
        sizes.append(size)
        if size > 10:
            raise error
        return "done"

    with caplog.at_level("INFO", logger="scgnn_tools"):
        assert halving(run, 64) == ("done", 8)
    assert sizes == [64, 32, 16, 8]
    assert "Out of memory at batch_size=64; continuing with 32." in caplog.text


def test_halving_gives_up_at_one_and_hands_on_other_errors():
    def run(size):
        raise torch.OutOfMemoryError("still")

    with pytest.raises(torch.OutOfMemoryError):
        halving(run, 4)

    def broken(size):
        msg = "shapes differ"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="shapes differ"):
        halving(broken, 4)


def test_halving_is_silent_when_asked(caplog):
    def run(size):
        if size > 1:
            raise MemoryError
        return size

    sgt.settings.verbose = False
    try:
        with caplog.at_level("INFO", logger="scgnn_tools"):
            halving(run, 2)
    finally:
        sgt.settings.verbose = True
    assert caplog.text == ""
