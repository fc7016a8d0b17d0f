import numpy as np
from tests.tl.test_classify_genes import in_context, network

from scgnn_tools.gene_tasks.contexts import contexts_of

__all__ = ["in_context"]


def test_a_gene_that_no_drawn_cell_shows_or_the_network_lacks_has_no_vector(in_context):
    model = network(in_context)
    in_context.X = in_context.X.toarray()
    in_context.X[:, 3] = 0
    in_context.var_names = [*in_context.var_names[:-1], "unheard of"]
    contexts = contexts_of(in_context, model, n_cells=20, layer=None, gene_key=None, rng=0)
    assert len(contexts.tokens.lengths) == 20
    assert contexts.symbols[0] == in_context.var_names[0]
    vectors = contexts.vectors()
    assert np.flatnonzero(np.isnan(vectors).any(axis=1)).tolist() == [3, 59]
    np.testing.assert_array_equal(vectors[0], model.gene_table()[contexts.index[0]])
