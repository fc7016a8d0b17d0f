"""The work around a link predictor: inputs, groups of cells, evaluation, calibration, what speaks for each edge.

``collect`` takes everything from an AnnData and a prior, ``infer`` makes a :class:`Network` of it.
"""

from scgnn_tools.grn.checks import check_expression
from scgnn_tools.grn.collect import Data, collect
from scgnn_tools.grn.groups import check_groups, groups_of
from scgnn_tools.grn.infer import Network, check_options, infer
from scgnn_tools.grn.score import Group

__all__ = [
    "Data",
    "Group",
    "Network",
    "check_expression",
    "check_groups",
    "check_options",
    "collect",
    "groups_of",
    "infer",
]
