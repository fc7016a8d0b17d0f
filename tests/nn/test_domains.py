import pytest
import torch

from scgnn_tools.nn.domains import DomainNorm


def test_domains_are_aligned_and_what_comes_out_has_the_mean_and_spread_of_all():
    torch.manual_seed(0)
    domain = torch.arange(3000) % 3
    x = torch.randn(3000, 4) * (1 + domain.unsqueeze(1)) + 5.0 * domain.unsqueeze(1)
    parts = [x[domain == d] for d in range(3)]
    mean, variance = (torch.stack([f(p, dim=0) for p in parts]) for f in (torch.mean, torch.var))
    norm = DomainNorm(mean, variance, torch.bincount(domain).float())
    norm.domains = domain
    out = norm(x)
    for d in range(3):
        torch.testing.assert_close(out[domain == d].mean(dim=0), x.mean(dim=0), atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(out[domain == d].std(dim=0), x.std(dim=0), atol=1e-2, rtol=1e-2)
    norm.domains = domain[:7]
    torch.testing.assert_close(norm(x[:7]), out[:7])  # a row depends on itself and its domain
    with pytest.raises(RuntimeError, match="domain of each row"):
        norm(x)
    norm.domains = None
    again = DomainNorm.empty(3, 4)
    again.load_state_dict(norm.state_dict())
    again.domains = domain
    torch.testing.assert_close(again(x), out)
