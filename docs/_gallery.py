"""The gallery: every figure of ``sgt.pl``, drawn from real cells while the documentation is built, beside the lines that draw it."""

import hashlib
import shutil
import time
import warnings
from pathlib import Path
from textwrap import dedent

BEGIN = """
import scanpy as sc
import scgnn_tools as sgt

adata = sc.datasets.pbmc68k_reduced()  # 700 blood cells
sgt.tl.embed(adata)
"""

# name of the function, variant, title, what it shows, the lines that make it
FIGURES = [
    ("embedding_report", "", "An embedding on one page", "Cells by label, by batch and by depth, and how the genes were matched.", """
        sgt.pl.embedding_report(adata, labels_key="bulk_labels", batch_key="phase")
    """),
    ("annotation", "", "Labels on a map", "Known and predicted labels, and the method beside its baselines.", """
        sgt.tl.annotate(adata, "bulk_labels")
        sgt.pl.annotation(adata, labels_key="bulk_labels")
    """),
    ("confusion", "", "Which labels are mixed up", "True against predicted labels of held-out cells; small rows are marked.", """
        sgt.tl.annotate(adata, "bulk_labels")
        sgt.pl.confusion(adata)
    """),
    ("calibration", "", "Can the confidence be trusted?", "How often labels of each confidence are right, with 95 % intervals.", """
        sgt.tl.annotate(adata, "bulk_labels")
        sgt.pl.calibration(adata)
    """),
    ("annotation_sankey", "", "From clusters to labels", "Where the cells of each cluster go among the new labels.", """
        sgt.tl.annotate(adata, "bulk_labels")
        sgt.pl.annotation_sankey(adata, "louvain")
    """),
    ("explain", "", "Why this label?", "The genes that each cell type rests on.", """
        sgt.tl.explain(adata, "bulk_labels", method="logreg_pca")
        sgt.pl.explain(adata, n_genes=6)
    """),
    ("explain_entries", "", "Which entries?", "The entries of the vectors that each cell type rests on, graph and classifier apart.", """
        sgt.tl.explain(adata, "bulk_labels", how="gradcam", pathway="P2", n_seeds=2, key_added="entries")
        sgt.pl.explain_entries(adata, "entries")
    """),
    ("integration", "", "Batches joined", "Scores of the methods, and the joined cells by batch and by label.", """
        adata.obs["lane"] = ["one", "two"] * 350  # take a column with your batches
        sgt.tl.integrate(adata, "lane", labels_key="bulk_labels", method="center", baselines=("pca",))
        sgt.pl.integration(adata)
    """),
    ("gene_programs", "", "Gene programs", "Programs that differ most between cell types, and the genes in them.", """
        sgt.tl.gene_programs(adata, groupby="bulk_labels", resolution=10)
        sgt.pl.gene_programs(adata, n_programs=15)
    """),
    ("grn", "", "A regulatory network", "Transcription factors on the inner ring, their targets around them.", """
        sgt.tl.infer_grn(adata)
        sgt.pl.grn(adata)
    """),
    ("grn", "tf", "One regulon", "The targets of one transcription factor, with the evidence of each.", """
        sgt.tl.infer_grn(adata)
        sgt.pl.grn(adata, tf="SPI1", n_edges=25)
    """),
    ("grn", "modules", "A large network", "More edges than can be drawn one by one are gathered into modules.", """
        sgt.tl.infer_grn(adata)
        sgt.pl.grn(adata, n_edges=2000)
    """),
    ("regulon_specificity", "", "Regulons by cell type", "Transcription factors whose targets mark a cell type.", """
        sgt.tl.infer_grn(adata, groupby="bulk_labels")
        sgt.pl.regulon_specificity(adata, groups=["CD14+ Monocyte", "CD19+ B", "CD56+ NK", "Dendritic"], n_tfs=6)
    """),
    ("grn_difference", "", "Two networks compared", "Transcription factors and edges that differ between two cell types.", """
        sgt.tl.infer_grn(adata, groupby="bulk_labels")
        result = sgt.tl.compare_grn(adata, "CD14+ Monocyte", "Dendritic")
        sgt.pl.grn_difference(result, n_shown=12)
    """),
    ("regulon_heatmap", "", "Activity of transcription factors", "Mean activity in each cell type.", """
        sgt.tl.infer_grn(adata, groupby="bulk_labels")
        sgt.tl.tf_activity(adata)
        sgt.pl.regulon_heatmap(adata, "bulk_labels", n_tfs=3)
    """),
    ("perturbation", "", "Perturbations predicted", "The true change of held-out conditions, and what each method said. The changes here are made up.", """
        cells, prior = adata.raw.to_adata()[:, adata.var_names].copy(), sgt.genes.prior()
        prior = prior[prior["target"].isin(cells.var_names)]
        tfs = prior["source"].value_counts().index[:8]
        cells.obs["perturbation"] = [["non-targeting", *tfs][i % 9] for i in range(cells.n_obs)]
        cells.X = cells.X.toarray()
        for tf in tfs:  # made up: the targets of a transcription factor rise in its cells
            hit = cells.var_names.isin(prior.loc[prior["source"] == tf, "target"])
            cells.X[(cells.obs["perturbation"] == tf).to_numpy()[:, None] & hit] += 1.0
        sgt.tl.perturb(cells, "perturbation", n_halves=2)
        sgt.pl.perturbation(cells)
    """),
    ("knockout_bulk", "", "Knock-outs in bulk", "Do methods find the genes that a knock-out changes? The changes here are made up.", """
        import numpy as np
        import pandas as pd
        from anndata import AnnData

        genes, rng = adata.raw.var_names, np.random.default_rng(0)
        prior = sgt.genes.prior()[lambda edges: edges["target"].isin(genes)]
        tfs = prior["source"].value_counts().index[:12]
        level = 300 * np.expm1(adata.raw.X.mean(axis=0).A1) + 20
        rows, obs = [], []
        for tf in tfs:  # made up: most known targets of the transcription factor fall, and some other genes
            hit = genes.isin(prior.loc[prior["source"] == tf, "target"]) | (rng.random(len(genes)) < 0.02)
            for role, change in [("control", 1.0), ("knockout", np.where(hit, 0.3, 1.0))] * 2:
                rows.append(rng.poisson(level * change * rng.lognormal(0, 0.2, len(genes))).astype("float32"))
                obs.append({"experiment": tf, "role": role, "target": tf})
        samples = AnnData(np.stack(rows), pd.DataFrame(obs, [str(i) for i in range(len(obs))]), adata.raw.var[[]])
        sgt.tl.knockout_bulk(samples)
        sgt.pl.knockout_bulk(samples)
    """),
    ("in_silico", "", "Knock-outs in a model", "How far cells move in a model when a gene leaves its input.", """
        counts = adata.raw.to_adata()
        sgt.tl.in_silico(counts)
        sgt.pl.in_silico(counts)
    """),
    ("grn_evaluation", "", "A network judged", "Correlations judged by known edges, beside counting edges.", """
        cells = adata.raw.to_adata()[:, adata.var_names].to_df()
        tfs = [t for t in sgt.genes.transcription_factors() if t in cells]
        pairs = cells.corr().abs().loc[tfs].rename_axis("source").rename_axis("target", axis=1)
        result = sgt.tl.evaluate_grn(pairs.stack().rename("score").reset_index(), sgt.genes.prior())
        sgt.pl.grn_evaluation(result)
    """),
    ("grn_noise", "", "A prior with wrong edges", "What methods still learn when a share of the known edges is wrong.", """
        known = sgt.genes.prior()
        study = sgt.tl.noise_study(
            adata, known, methods=["degree", "collaborative"], shares=[0, 0.1, 0.3, 0.5], n_draws=2
        )
        sgt.pl.grn_noise(study)
    """),
    ("gene_classes", "", "Classes of genes", "Do gene vectors tell ribosomal from mitochondrial genes? ROC curves and the areas under them.", """
        model = sgt.fm.load("cgc-mini")
        classes = {
            "ribosomal": [g for g in model.vocabulary if g.startswith(("RPL", "RPS"))],
            "mitochondrial": [g for g in model.vocabulary if g.startswith(("NDUF", "ATP5", "COX", "UQCR"))],
        }
        table = sgt.tl.classify_genes(None, classes, model=model, n_trees=100)
        sgt.pl.gene_classes(table)
    """),
    ("training", "", "A training", "The loss on the cells of training and on those held back.", """
        counts = adata.raw.to_adata()
        sgt.models.ScBiGNN.setup_anndata(counts, labels_key="bulk_labels")
        model = sgt.models.ScBiGNN(counts)
        model.train(max_epochs=15)
        sgt.pl.training(model.history)
    """),
    ("lambda_curve", "", "Graph or experts?", "The score of scGraPhT's fusion for each weight of the graph.", """
        counts = adata.raw.to_adata()
        sgt.models.ScGraPhT.setup_anndata(counts, labels_key="bulk_labels")
        model = sgt.models.ScGraPhT(counts)
        model.train(max_epochs=60)
        sgt.pl.lambda_curve(model.lambda_curve())
    """),
]  # fmt: skip


def build(here: Path) -> None:
    """Draw all figures and write their pages below ``here``; what was drawn from the same code is kept."""
    import scgnn_tools

    source = Path(scgnn_tools.__file__).parent
    files = [Path(__file__), *sorted(source.glob("pl/*.py")), *sorted(source.glob("tl/*.py"))]
    stamp = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
    done = here / ".stamp"
    if done.is_file() and done.read_text() == stamp:
        return
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    begun = time.perf_counter()
    before: dict[str, dict] = {}
    for name, variant, title, about, lines in FIGURES:
        page = f"{name}_{variant}" if variant else name
        code = dedent(lines).strip()
        _draw(code, here / f"{page}.png", before)
        (here / f"{page}.md").write_text(_page(name, title, about, code, page), encoding="utf-8")
    (here / "index.md").write_text(_index(), encoding="utf-8")
    done.write_text(stamp)
    print(f"gallery: {len(FIGURES)} figures in {time.perf_counter() - begun:.0f} s")


def _draw(code: str, path: Path, before: dict[str, dict]) -> None:
    """Run the lines of one figure, those that an earlier one has run only once, and save what the last returns."""
    import matplotlib as mpl

    mpl.use("agg")
    *first, last = code.split("\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of 700 cells, some classes have few
        import scgnn_tools as sgt

        with sgt.settings.override(progress=False, verbose=False):
            if "" not in before:
                before[""] = {}
                exec(BEGIN, before[""])
            done = next(k for k in range(len(first), -1, -1) if "\n".join(first[:k]) in before)
            names = before["\n".join(first[:done])]
            exec("\n".join(first[done:]), names)
            before["\n".join(first)] = names
            figure = eval(last, names)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    mpl.pyplot.close(figure)


def _page(name: str, title: str, about: str, code: str, page: str) -> str:
    return (
        f"# {title}\n\n{about}\nThe function is {{py:func}}`sgt.pl.{name} <scgnn_tools.pl.{name}>`.\n\n"
        f"```python\n{BEGIN.strip()}\n{code}\n```\n\n![{title}]({page}.png)\n"
    )


def _index() -> str:
    cards, names = [], []
    for name, variant, title, about, _ in FIGURES:
        page = f"{name}_{variant}" if variant else name
        names.append(page)
        cards.append(
            f":::{{grid-item-card}} {title}\n:link: {page}\n:link-type: doc\n:img-top: {page}.png\n:img-alt: {title}\n\n{about}\n:::\n"
        )
    return (
        "# Gallery\n\nEvery figure of `sgt.pl`, drawn from 700 blood cells while this page was built. Click a picture to see the lines that make it.\n\n"
        "::::{grid} 1 2 3 3\n:gutter: 3\n:class-container: sgt-gallery\n\n" + "\n".join(cards) + "::::\n\n"
        "```{toctree}\n:hidden:\n:maxdepth: 1\n\n" + "\n".join(names) + "\n```\n"
    )
