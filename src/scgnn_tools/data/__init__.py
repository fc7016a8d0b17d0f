"""From an AnnData, wherever its matrix lies, to checked rows, tokens and batches."""

from scgnn_tools.data.batches import CHUNK, length_batches
from scgnn_tools.data.expression import Expression, noted, open_expression
from scgnn_tools.data.files import open_file
from scgnn_tools.data.kind import MatrixKind, describe_matrix
from scgnn_tools.data.readers import read_cells
from scgnn_tools.data.tokens import Tokens

__all__ = [
    "CHUNK",
    "Expression",
    "MatrixKind",
    "Tokens",
    "describe_matrix",
    "length_batches",
    "noted",
    "open_expression",
    "open_file",
    "read_cells",
]
