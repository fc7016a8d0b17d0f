import anndata as ad
import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="package")
def network():
    """Pairs that two hidden groups of factors and genes decide, gene vectors that know the groups, expression."""
    rng = np.random.default_rng(0)
    tfs, genes = [f"T{i}" for i in range(20)], [f"g{i}" for i in range(100)]
    group = {name: i % 2 for names in (tfs, genes) for i, name in enumerate(names)}
    pairs = pd.DataFrame([(a, b) for a in tfs for b in genes], columns=["tf", "target"])
    same = pairs["tf"].map(group).to_numpy() == pairs["target"].map(group).to_numpy()
    popular = pairs["target"].str[1:].astype(int).to_numpy() % 5 / 5  # and some targets have more edges than others
    pairs["label"] = (rng.random(len(pairs)) < np.where(same, 0.3 + 0.7 * popular, 0.05)).astype(int)
    sign = np.array([1.0 if group[n] else -1.0 for n in tfs + genes])
    vectors = pd.DataFrame(sign[:, None] * np.ones(8) + rng.normal(size=(120, 8)), index=tfs + genes)
    driver = rng.normal(size=(60, 2))
    x = np.maximum(driver[:, [group[n] for n in tfs + genes]] + 0.5 * rng.normal(size=(60, 120)), 0).astype(np.float32)
    expression = ad.AnnData(x, var=pd.DataFrame(index=tfs + genes))
    held = rng.random(len(pairs)) < 0.3
    return pairs[~held], pairs[held], vectors, expression


@pytest.fixture(scope="package")
def inputs(network):
    """What an inference takes from such a network."""
    from scgnn_tools.grn.inputs import LinkInputs

    train, test, vectors, expression = network
    pairs = pd.concat([train, test], ignore_index=True)
    return LinkInputs(pairs, vectors, expression.var_names.to_numpy(dtype=str), expression)
