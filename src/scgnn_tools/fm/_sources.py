"""Where the published weights are: files and addresses, one entry a model and variant, the default variant first."""

from dataclasses import dataclass

HUB = "https://huggingface.co"
SCGPT = "https://czi-scgenept-public.s3.amazonaws.com/models/pretrained/scgpt"
SCFOUNDATION_CODE = "https://raw.githubusercontent.com/biomap-research/scFoundation/main"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a checkpoint.

    Attributes
    ----------
    name
        Its name in the checkpoint's folder.
    urls
        Addresses, tried in this order; none where its authors share it in a way that no program can follow.
    sha256
        Checksum, where it is known; else the one that the server announces, as the Hugging Face hub does.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None


def _geneformer(folder: str, dictionaries: str, cells: str) -> tuple[RemoteFile, ...]:
    root = f"{HUB}/ctheodoris/Geneformer/resolve/main"
    weights = [RemoteFile(f, (f"{root}/{folder}/{f}",)) for f in ("config.json", "model.safetensors")]
    words = ("token_dictionary", "gene_median_dictionary", "ensembl_mapping_dict")
    names = [f"{word}_gc{cells}.pkl" for word in words]
    return (*weights, *(RemoteFile(f, (f"{root}/{dictionaries}/{f}",)) for f in names))


SOURCES: dict[str, dict[str, tuple[RemoteFile, ...]]] = {
    "scgpt": {
        "whole-human": tuple(RemoteFile(f, (f"{SCGPT}/{f}",)) for f in ("args.json", "vocab.json", "best_model.pt")),
    },
    "geneformer": {
        "Geneformer-V2-104M": _geneformer("Geneformer-V2-104M", "geneformer", "104M"),
        "Geneformer-V2-316M": _geneformer("Geneformer-V2-316M", "geneformer", "104M"),
        "Geneformer-V2-104M_CLcancer": _geneformer("Geneformer-V2-104M_CLcancer", "geneformer", "104M"),
        "Geneformer-V1-10M": _geneformer("Geneformer-V1-10M", "geneformer/gene_dictionaries_30m", "30M"),
    },
    "scfoundation": {
        "models": (
            RemoteFile("models.ckpt", (f"{HUB}/genbio-ai/scFoundation/resolve/main/models.ckpt",)),
            RemoteFile(
                "OS_scRNA_gene_index.19264.tsv",
                (f"{SCFOUNDATION_CODE}/OS_scRNA_gene_index.19264.tsv",),
                "bb337ea195d94e7b033543abc02a42e7060d6562eba97deb077f7dcecec62661",
            ),
        ),
    },
    "scbert": {
        "panglao": tuple(RemoteFile(f) for f in ("panglao_pretrained.pth", "gene2vec_16906.npy", "panglao_10000.h5ad")),
    },
    "cgc": {"pretrained": tuple(RemoteFile(f) for f in ("CGCompass_pretrain_weights.pt", "vocab.json"))},
}
