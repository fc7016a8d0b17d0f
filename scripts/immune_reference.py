"""The bundled immune reference: two sets of labelled PBMC on one label map, counts of the genes that matter."""

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

# What the two sets can be told apart by; the T helper, memory and regulatory cells of the sorted set and the naive and
# memory CD4 cells of pbmc3k are one type here, because neither set separates them by the other's definition.
LABELS = {
    "pbmc3k": {
        "B": "B cell", "NK": "NK cell", "CD8 T": "CD8 T cell", "Naive CD4 T": "CD4 T cell", "Memory CD4 T": "CD4 T cell",
        "CD14+ Mono": "CD14+ monocyte", "FCGR3A+ Mono": "FCGR3A+ monocyte", "DC": "Dendritic cell", "Platelet": "Platelet",
    },
    "zheng_sorted_ref": {
        "bcells": "B cell", "nk": "NK cell", "cytotoxict": "CD8 T cell", "naivecytotoxic": "CD8 T cell", "naivet": "CD4 T cell",
        "memoryt": "CD4 T cell", "thelper": "CD4 T cell", "regulatoryt": "CD4 T cell", "monocytes": "CD14+ monocyte",
    },
}  # fmt: skip
MIN_CELLS = 30
# Label: (id in the Cell Ontology, what is above it). It ends below "leukocyte", which in blood says nothing: a cell
# between a B cell and a monocyte has no safe name.
HIERARCHY = {
    "B cell": ("CL:0000236", "lymphocyte"),
    "CD4 T cell": ("CL:0000624", "T cell"),
    "CD8 T cell": ("CL:0000625", "T cell"),
    "T cell": ("CL:0000084", "lymphocyte"),
    "NK cell": ("CL:0000623", "lymphocyte"),
    "lymphocyte": ("CL:0000542", None),
    "CD14+ monocyte": ("CL:0001054", "monocyte"),
    "FCGR3A+ monocyte": ("CL:0002396", "monocyte"),
    "monocyte": ("CL:0000576", "myeloid leukocyte"),
    "Dendritic cell": ("CL:0000451", "myeloid leukocyte"),  # those of the reference are conventional ones
    "myeloid leukocyte": ("CL:0000766", None),
    "Platelet": ("CL:0000233", None),
}


def hierarchy() -> bytes:
    """Return ``immune_hierarchy.json``: parents and ids of the labels of the reference."""
    plain = {
        "parents": {name: [] if above is None else [above] for name, (_, above) in HIERARCHY.items()},
        "ids": {name: i for name, (i, _) in HIERARCHY.items()},
        "synonyms": {},
    }
    return (json.dumps(plain, indent=1, sort_keys=True) + "\n").encode()


def build_reference(data: Path, prior_genes: set[str], out: Path) -> tuple[bytes, int]:
    """Write ``immune_reference.h5ad``; return its bytes and the number of cells."""
    parts = []
    for name, labels in LABELS.items():
        part = ad.read_h5ad(data / f"cells/{name}.h5ad")
        original = part.obs["cell_type"].astype(str)
        part.obs = pd.DataFrame(
            {"cell_type": original.map(labels).to_numpy(), "original": original.to_numpy(), "dataset": name},
            index=name + "-" + part.obs_names.astype(str),
        )
        part.obs["n_counts"] = np.asarray(part.X.sum(1)).ravel().astype("float32")
        parts.append(part)
    both = ad.concat(parts, join="outer", fill_value=0)
    both.var_names = both.var_names.astype(str)
    seen = np.asarray((both.X > 0).sum(0)).ravel()
    shared = np.all([both.var_names.isin(p.var_names) for p in parts], axis=0)
    # a gene that one set was not measured for would tell the sets apart, not the cells: only shared ones are kept
    keep = shared & ((seen >= MIN_CELLS) | (both.var_names.isin(list(prior_genes)) & (seen >= 5)))
    both = both[:, np.sort(np.flatnonzero(keep))].copy()
    counts = sp.csr_matrix(both.X)
    counts.data = counts.data.astype("uint16")
    counts.sort_indices()
    both.X = counts
    for column in ("cell_type", "original", "dataset"):
        both.obs[column] = pd.Categorical(both.obs[column])
    part = out / "immune_reference.h5ad.part"
    both.write_h5ad(part, compression="gzip", compression_opts=9)
    part.replace(out / "immune_reference.h5ad")
    return (out / "immune_reference.h5ad").read_bytes(), both.n_obs
