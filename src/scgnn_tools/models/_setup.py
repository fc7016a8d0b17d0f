"""``setup_anndata`` and ``setup_mudata``, as models of scvi-tools have them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import UNKNOWN
from scgnn_tools._modality import is_mudata, only_anndata
from scgnn_tools.models import _scvi
from scgnn_tools.train.arguments import Checked

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class ScviSetup(Checked):
    """The two class methods by which an object is made known to a model class."""

    @classmethod
    def setup_anndata(
        cls,
        adata: "AnnData",
        *,
        layer: str | None = None,
        labels_key: str,
        unlabeled_category: str = UNKNOWN,
        batch_key: str | None = None,
    ) -> None:
        """Say where the expression and the labels are; through scvi-tools' ``AnnDataManager``.

        Parameters
        ----------
        adata
            Cells × genes, no view.
        layer
            Counts or log-normalised values; None takes ``layers["counts"]`` if it is there, else ``X``.
        labels_key
            Column of ``obs``; numbers become text; missing, empty and the like are no label.
        unlabeled_category
            Label of a cell without label.
        batch_key
            Column of ``obs``: validation cells are drawn from each batch.

        Returns
        -------
        None. Sets the following fields, as scvi-tools does:

        ``adata.obs["_sgt_labels"]``
            categorical: the labels without blanks around them, ``unlabeled_category`` where there is none.
        ``adata.obs["_scvi_labels"]``, ``adata.obs["_scvi_batch"]``
            codes of the classes, the unlabelled category last; codes of the batches, if there is a ``batch_key``.
        ``adata.uns["_scvi_uuid"]``, ``adata.uns["_scvi_manager_uuid"]``
            str: by which the object is known again.
        """
        instead = f"Call sgt.models.{cls.__name__}.setup_mudata(mdata, modalities={{'rna': 'rna'}}, labels_key={labels_key!r})."
        _scvi.setup(
            only_anndata(adata, instead=instead),
            cls.__name__,
            layer=layer,
            labels_key=labels_key,
            unlabeled_category=unlabeled_category,
            batch_key=batch_key,
        )

    @classmethod
    def setup_mudata(
        cls,
        mdata: "MuData",
        *,
        modalities: dict[str, str],
        layer: str | None = None,
        labels_key: str,
        unlabeled_category: str = UNKNOWN,
        batch_key: str | None = None,
    ) -> None:
        """Do :meth:`setup_anndata` for a modality of a MuData: ``modalities={"rna": "rna"}``.

        ``labels_key`` and ``batch_key`` are columns of the modality's ``obs``, or else of the MuData's; the columns are written into the
        modality's ``obs``, the two of ``uns`` into the MuData's.
        """
        is_dict = isinstance(modalities, Mapping) and set(modalities) == {"rna"}
        if not is_dict or not isinstance(modalities["rna"], str):
            msg = f"modalities says which modality is 'rna', as {{'rna': 'name'}}; got {modalities!r}."
            raise InputValueError(msg)
        if not is_mudata(mdata):
            only_anndata(mdata)  # what is neither is refused there
            msg = f"mdata is a MuData; got AnnData. Call sgt.models.{cls.__name__}.setup_anndata(adata, labels_key={labels_key!r})."
            raise InputTypeError(msg)
        _scvi.setup(
            mdata,
            cls.__name__,
            layer=layer,
            labels_key=labels_key,
            unlabeled_category=unlabeled_category,
            batch_key=batch_key,
            modality=modalities["rna"],
        )
