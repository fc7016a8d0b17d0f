import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.perturbation import METHODS, Effects, Relations, perturbation_method

GENES = np.array([f"g{i}" for i in range(30)], dtype=object)
RNG = np.random.default_rng(0)
BY_KIND = 2 * RNG.normal(size=(2, 30))


def kernel_of(kinds, alike=0.8):
    k = np.where(np.equal.outer(kinds, kinds), alike, 0.0)
    np.fill_diagonal(k, 1)
    return k


def effects(n=10, noise=0.3, combos=()):
    """Genes of two kinds; those of a kind change cells alike, up to noise."""
    kinds = np.arange(n) % 2
    genes = np.array(sorted(f"p{i}" for i in range(n)), dtype=object)
    conditions = [(g,) for g in genes] + [tuple(sorted(c)) for c in combos]
    kind = dict(zip(genes, kinds, strict=True))
    changes = np.stack([sum(BY_KIND[kind[g]] for g in c) for c in conditions]) + noise * RNG.normal(
        size=(len(conditions), 30)
    )
    related = Relations(genes, {"go": kernel_of(kinds)}, {"go": np.ones(n, dtype=bool)})
    return Effects(conditions, changes, np.full(len(conditions), noise**2), GENES, related)


def test_each_method_predicts_a_change_a_condition_the_same_twice():
    seen = effects()
    for name in [n for n in METHODS if METHODS[n].needs == "means"]:
        one, again = perturbation_method(name), perturbation_method(name)
        for m in (one, again):
            m.fit(seen.take(np.arange(8)), rng=0)
        out = one.predict([("p8",), ("p8", "p9")])
        assert out.shape == (2, 30)
        assert np.isfinite(out).all()
        np.testing.assert_array_equal(out, again.predict([("p8",), ("p8", "p9")]))
        assert isinstance(one.notes, dict)
        assert METHODS[name].judges == hasattr(one, "unrelated")


def test_the_kernel_finds_the_kind_of_a_gene_and_the_mean_does_not():
    seen = effects()
    errors = {}
    for name in ("mean", "no_change", "kernel", "linear"):
        method = perturbation_method(name, **({"embedding": "related"} if name == "linear" else {}))
        method.fit(seen.take(np.arange(8)))
        errors[name] = ((method.predict([("p8",), ("p9",)]) - BY_KIND) ** 2).mean()
    assert errors["kernel"] < 0.2 * errors["mean"]
    assert errors["linear"] < 0.5 * errors["mean"]
    assert errors["mean"] < errors["no_change"]


def test_leave_one_out_in_closed_form_is_that_of_leaving_each_out():
    from scgnn_tools.perturbation.kernel import PENALTIES

    seen = effects(noise=1.0)
    relative = np.linspace(0.5, 1.5, 10)
    method = perturbation_method("kernel")
    method.fit(Effects(seen.conditions, seen.changes, relative, GENES, seen.relations))
    k, y = seen.relations.kernels["go"], seen.changes
    errors = {float("inf"): (y**2).mean()}
    for penalty in PENALTIES:
        off = []
        for i in range(10):
            rest = np.delete(np.arange(10), i)
            dual = np.linalg.solve(k[np.ix_(rest, rest)] + np.diag(penalty * relative[rest]), y[rest])
            off.append(((k[i, rest] @ dual - y[i]) ** 2).mean())
        errors[penalty] = np.mean(off)
    assert method.notes == {"kernel": "go", "penalty": pytest.approx(min(errors, key=errors.get))}
    assert method._chosen.error == pytest.approx(min(errors.values()))
    assert (method.left_out**2).mean() == pytest.approx(min(errors.values()))


def test_the_kernel_of_nothing_is_no_change_and_a_stranger_gets_the_shrunken_mean():
    seen = effects()
    alone = Relations(seen.relations.genes, {}, {})
    method = perturbation_method("kernel")
    method.fit(Effects(seen.conditions[:8], seen.changes[:8], seen.noise[:8], GENES, alone))
    mean = perturbation_method("shrunken_mean")
    mean.fit(seen.take(np.arange(8)))
    assert method.unrelated([("p8",), ("p0",)]).tolist() == [True, False]
    np.testing.assert_allclose(method.predict([("p8",)]), mean.predict([("p8",)]))


def test_combinations():
    seen = effects(noise=0, combos=[("p0", "p1")])
    additive, matching = perturbation_method("additive"), perturbation_method("matching_mean")
    for m in (additive, matching):
        m.fit(seen)
    np.testing.assert_allclose(additive.predict([("p2", "p3")])[0], BY_KIND.sum(axis=0))
    np.testing.assert_allclose(matching.predict([("p2", "p3")])[0], BY_KIND.mean(axis=0))
    np.testing.assert_allclose(matching.predict([("p0", "p1")])[0], BY_KIND.sum(axis=0))
    np.testing.assert_allclose(matching.predict([("x",)])[0], seen.changes.mean(axis=0))
    kernel = perturbation_method("kernel")
    kernel.fit(seen)
    assert ((kernel.predict([("p2", "p3")])[0] - BY_KIND.sum(axis=0)) ** 2).mean() < 0.1


def test_the_weight_of_the_mean_is_that_of_leave_one_out():
    from scgnn_tools.perturbation.shrunken_mean import shrunken_mean

    y = np.random.default_rng(1).normal(size=(6, 40)) + 0.5
    others = np.stack([np.delete(y, i, axis=0).mean(axis=0) for i in range(6)])
    grid = np.linspace(0, 1, 1001)
    best = grid[np.argmin([((y - w * others) ** 2).sum() for w in grid])]
    assert shrunken_mean(y)[1] == pytest.approx(best, abs=1e-3)
    assert shrunken_mean(y[:1])[1] == 1


def test_of_very_many_conditions_some_are_used(monkeypatch):
    from scgnn_tools.perturbation import kernel

    monkeypatch.setattr(kernel, "MOST", 6)
    method = perturbation_method("kernel")
    method.fit(effects(), rng=0)
    assert len(method.kept) == len(method.left_out) == 6
    assert method.predict([("p9",)]).shape == (1, 30)


def test_bad_names_and_options():
    with pytest.raises(
        InputValueError, match=r"no perturbation method 'kernal'; the methods are no_change.*Did you mean 'kernel'"
    ):
        perturbation_method("kernal")
    with pytest.raises(InputValueError, match="mean has no option 'centre'; its options are: none"):
        perturbation_method("mean", centre="mean")
    with pytest.raises(InputValueError, match="centre is 'control' or 'mean'"):
        perturbation_method("kernel", centre="x")
    perturbation_method("mean", device="cpu", max_epochs=3)
