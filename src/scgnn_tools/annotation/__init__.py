"""The work around a label method: inputs, calibration, sets, strange cells, a hierarchy to back off to, the reasons; kept for many queries.

``Annotator`` trains once and labels many queries, ``list`` names the references that ship and those that ``download`` fetches. ``collect``
takes labelled cells and cells to label from an AnnData, ``run`` does the work on arrays.
"""

from scgnn_tools.annotation.annotator import Annotator
from scgnn_tools.annotation.collect import collect
from scgnn_tools.annotation.labeller import AnnotationResult
from scgnn_tools.annotation.published import download
from scgnn_tools.annotation.run import run
from scgnn_tools.annotation.sources import references as list  # noqa: A004 (a name within this room, as fm.list)

__all__ = ["AnnotationResult", "Annotator", "collect", "download", "list", "run"]
