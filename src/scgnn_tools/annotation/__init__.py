"""The work around a label method: inputs, calibration, sets, strange cells, a hierarchy to back off to, the reasons.

``collect`` takes labelled cells and cells to label from an AnnData, ``run`` does the work on arrays.
"""

from scgnn_tools.annotation.collect import collect
from scgnn_tools.annotation.run import AnnotationResult, run

__all__ = ["AnnotationResult", "collect", "run"]
