import pytest
import torch
from torch import nn

from scgnn_tools.nn import Segments
from scgnn_tools.nn.lora import LoRALinear, add_lora, merge_lora
from scgnn_tools.nn.performer import Performer
from scgnn_tools.nn.transformer import Encoder


def networks():
    torch.manual_seed(0)
    performer = Performer(2, 12, 2, 4, 24, 16, qkv_bias=True)
    for layer in performer.layers:
        layer.projection.normal_()
    return {"encoder": Encoder(2, 12, 2, 24), "performer": performer}


@pytest.fixture(params=["encoder", "performer"])
def network(request):
    return networks()[request.param].requires_grad_(False)


@pytest.fixture
def x():
    return torch.randn(9, 12, generator=torch.Generator().manual_seed(1)), Segments([0, 4, 9])


def test_every_matrix_of_every_adapter_gets_a_gradient(network, x):
    add_lora(network.layers, rank=3)
    pairs = {n: m for n, m in network.named_modules() if isinstance(m, LoRALinear)}
    assert len(pairs) == 8
    for m in pairs.values():
        nn.init.normal_(m.b)  # at zero, A has none yet
    network(*x).square().sum().backward()
    for name, m in pairs.items():
        for part in range(len(m.a)):
            assert m.a.grad[part].abs().sum() > 0, f"{name}.a[{part}]"
            assert m.b.grad[part].abs().sum() > 0, (
                f"{name}.b[{part}]"
            )  # single rows end in units that ReLU switched off
        assert m.base.weight.grad is None


def test_adapters_start_as_nothing_and_merge_exactly(network, x):
    before = network(*x)
    add_lora(network.layers, rank=3)
    torch.testing.assert_close(network(*x), before)
    for m in network.modules():
        if isinstance(m, LoRALinear):
            nn.init.normal_(m.b, std=0.1)
    tuned = network(*x)
    assert (tuned - before).abs().max() > 1e-3
    merge_lora(network)
    assert not any(isinstance(m, LoRALinear) for m in network.modules())
    torch.testing.assert_close(network(*x), tuned, rtol=1e-5, atol=1e-5)


def test_gradients_and_inference_give_the_same_numbers(network, x):
    with torch.inference_mode():
        fast = network(*x)
    torch.testing.assert_close(network(*x), fast)
