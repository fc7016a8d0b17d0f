"""scGraPhT (Koç lab, IEEE TSIPN 2025): graph convolutions between cells and genes, fused with a foundation model's classifier.

Options and protocols: ``options.py``. What goes in: ``intake.py``. Matrices: ``pathway.py``, ``similarity.py``, ``graphs.py``. Network:
``network.py``, fed by ``assemble.py`` (whole graphs, cells that ask) and ``sampling.py`` (mini-batches). ``build.py`` makes the graph of a
training from labelled cells. The other side of the fusion is a ``partner.py``: ``experts.py`` or ``tuned.py`` (a fine-tuned foundation
model); ``fusion.py`` mixes. ``training.py`` trains the network, ``joint.py`` both sides; what comes out, and is saved, is ``fitted.py``,
which ``gradients.py`` explains by genes and ``entries.py``, with ``slopes.py``, by entries of the vectors. All of it as an annotation
method: ``method.py``.
"""

from scgnn_tools.labels.scgrapht.method import ScGraPhT
from scgnn_tools.labels.scgrapht.tuned import tuned_logits

__all__ = ["ScGraPhT", "tuned_logits"]
