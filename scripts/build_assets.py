"""Build what ships in ``scgnn_tools.assets`` from public tables; the same input gives the same bytes.

Usage: ``python scripts/build_assets.py --data ../shared/data`` (the folder is described in its own README).
"""

import argparse
import gzip
import hashlib
import io
import json
from pathlib import Path

import pandas as pd
from immune_reference import HIERARCHY, build_reference, hierarchy

OUT = Path(__file__).parents[1] / "src" / "scgnn_tools" / "assets"
MADE_BY = "scripts/build_assets.py"
ENSEMBL = "Ensembl; GENCODE v44; symbols of the Geneformer name dictionary (Apache-2.0)"


def human_genes(data: Path) -> pd.DataFrame:
    """Ensembl id, current symbol, biotype, chromosome, rank along the chromosome of every human gene."""
    table = pd.read_parquet(data / "genes/ensembl_symbol_position.parquet")
    table = table[table.index.str.startswith("ENSG")]
    names = gencode(data).set_index("ensembl_id")["symbol"]
    own = table["hgnc_symbol"].where(table["hgnc_symbol"] != table.index)
    symbol = own.fillna(names.reindex(table.index)).fillna(pd.Series(table.index, table.index))
    standard = table["chromosome_name"].isin([*map(str, range(1, 23)), "X", "Y", "MT"])
    out = pd.DataFrame(
        {
            "ensembl_id": table.index,
            "symbol": symbol.to_numpy(),
            "biotype": table["gene_biotype"].fillna("").to_numpy(),
            "chromosome": table["chromosome_name"].where(standard, "").to_numpy(),
            "position": table["pos"].where(standard, 0).astype(int).to_numpy(),
        }
    )
    # ids on alternative haplotypes follow the primary one of the same symbol; ids that are nobody's symbol stay useful as ids
    return out.sort_values(["chromosome", "position", "ensembl_id"], kind="stable").reset_index(drop=True)


def gencode(data: Path) -> pd.DataFrame:
    table = pd.read_csv(data / "genes/gencode_v44_id_symbol.csv", header=None, names=["ensembl_id", "symbol"])
    return table.assign(symbol=table["symbol"].str.strip()).drop_duplicates("ensembl_id")


def human_aliases(data: Path, genes: pd.DataFrame) -> pd.DataFrame:
    """Symbols that share an Ensembl id with a current symbol and lead to one gene only."""
    named = json.loads(gzip.decompress((data / "tokenizers/geneformer_v1_gene_name_id_dict.json.gz").read_bytes()))
    pairs = pd.concat([gencode(data), pd.DataFrame({"ensembl_id": list(named.values()), "symbol": list(named)})])
    pairs = pairs.rename(columns={"symbol": "alias"}).merge(genes[["ensembl_id", "symbol"]], on="ensembl_id")
    # families that were renamed because spreadsheets took them for dates
    renamed = [(f"MARCH{i}", f"MARCHF{i}") for i in range(1, 12)] + [(f"SEPT{i}", f"SEPTIN{i}") for i in range(1, 15)]
    renamed += [("DEC1", "DELEC1"), ("SEP15", "SELENOF"), ("MARC1", "MTARC1"), ("MARC2", "MTARC2")]
    pairs = pd.concat([pairs[["alias", "symbol"]], pd.DataFrame(renamed, columns=["alias", "symbol"])])
    current = set(genes["symbol"])
    pairs = pairs[
        pairs["symbol"].isin(current) & ~pairs["alias"].isin(current) & ~pairs["symbol"].str.startswith("ENSG")
    ]
    pairs = pairs.drop_duplicates()
    pairs = pairs[~pairs["alias"].duplicated(keep=False)]  # an alias of two genes is nobody's
    return pairs.sort_values("alias").reset_index(drop=True)


def spreadsheet_dates() -> pd.DataFrame:
    """What spreadsheets make of MARCH1, SEPT2, DEC1 and SEP15; MARC1 gives the same date as MARCH1, which is the one meant."""
    genes = [("Mar", 3, i, f"MARCHF{i}") for i in range(1, 12)] + [("Sep", 9, i, f"SEPTIN{i}") for i in range(1, 15)]
    genes += [("Dec", 12, 1, "DELEC1"), ("Sep", 9, 15, "SELENOF")]
    rows = []
    for month, number, day, symbol in genes:
        forms = [
            f"{day}-{month}",
            f"{month}-{day}",
            f"{day:02d}-{month}",
            f"{month}-{day:02d}",
            f"{number}/{day}",
            f"{day}.{number}",
        ]
        rows += [(form, symbol) for form in dict.fromkeys(forms)]
    table = pd.DataFrame(rows, columns=["date", "symbol"])
    return table[~table["date"].duplicated(keep=False)].reset_index(drop=True)


def orthologs(data: Path) -> pd.DataFrame:
    """One-to-one pairs; of several partners the one of the same name counts, if it is the only such one."""
    pairs = pd.read_csv(data / "genes/orthologs_human_mouse.csv", header=None, names=["human", "mouse"])
    pairs = pairs.dropna().drop_duplicates()
    alone = ~pairs["human"].duplicated(keep=False) & ~pairs["mouse"].duplicated(keep=False)
    named = (pairs["human"].str.upper() == pairs["mouse"].str.upper()) & ~alone
    kept = pd.concat([pairs[alone], pairs[named]])
    kept = kept[~kept["human"].duplicated(keep=False) & ~kept["mouse"].duplicated(keep=False)]
    return kept.sort_values("human").reset_index(drop=True)


def transcription_factors(data: Path) -> pd.DataFrame:
    curated = set((data / "genes/tfs_human_curated.txt").read_text().split())
    rows = []
    for organism in ("human", "mouse"):
        symbols = sorted(
            set((data / f"genes/tfs_{organism}.txt").read_text().split()) | (curated if organism == "human" else set())
        )
        rows += [(organism, s, int(s in curated and organism == "human")) for s in symbols]
    return pd.DataFrame(rows, columns=["organism", "symbol", "curated"])


def trrust(data: Path) -> pd.DataFrame:
    """One row an edge: modes of several papers are merged (two that disagree are "Conflict"), self loops dropped."""
    parts = []
    for organism in ("human", "mouse"):
        raw = pd.read_csv(data / f"prior/trrust_{organism}.tsv.gz", sep="\t", dtype=str, keep_default_na=False)
        raw = raw[raw["tf"] != raw["target"]]
        known = (
            raw[raw["mode"] != "Unknown"]
            .groupby(["tf", "target"])["mode"]
            .agg(lambda m: m.iloc[0] if m.nunique() == 1 else "Conflict")
        )
        table = (
            raw.groupby(["tf", "target"])["pmid"]
            .agg(lambda p: len({i for x in p for i in x.split(";")}))
            .rename("n_references")
            .reset_index()
        )
        mode = known.reindex(pd.MultiIndex.from_frame(table[["tf", "target"]])).fillna("Unknown").to_numpy()
        parts.append(table.assign(organism=organism, mode=mode))
    out = pd.concat(parts).rename(columns={"tf": "source"})
    return out[["organism", "source", "target", "mode", "n_references"]].reset_index(drop=True)


def gene_ontology(data: Path) -> pd.DataFrame:
    """One row a biological process: id, name, its genes joined by blanks, sorted; terms without a gene are dropped."""
    rows = []
    with gzip.open(data / "prior/go_biological_process_2018.gmt.gz", "rt", encoding="utf-8") as file:
        for line in file:
            title, _, *genes = line.rstrip("\n").split("\t")
            name, _, term = title.rpartition(" (")
            found = sorted({g.split(",")[0] for g in genes} - {""})
            if found:
                rows.append((term.rstrip(")"), name, " ".join(found)))
    return pd.DataFrame(rows, columns=["term", "name", "genes"]).sort_values("term").reset_index(drop=True)


def write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def gzipped_table(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(
        fileobj=buffer, mode="wb", mtime=0
    ) as file:  # no time stamp: the same table gives the same bytes
        file.write(table.to_csv(sep="\t", index=False, lineterminator="\n").encode())
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    OUT.mkdir(parents=True, exist_ok=True)
    genes = human_genes(data)
    prior = trrust(data)
    tables = {
        "genes_human": (
            genes,
            ENSEMBL,
            "Ensembl data: no restrictions (EMBL-EBI terms of use)",
            "Human genes: id, symbol, biotype, position",
        ),
        "aliases_human": (
            human_aliases(data, genes),
            ENSEMBL,
            "Ensembl data: no restrictions (EMBL-EBI terms of use)",
            "Older symbols of the same Ensembl gene",
        ),
        "dates": (
            spreadsheet_dates(),
            "HGNC's renaming of the MARCH, SEPT and DEC families",
            "facts, no licence needed",
            "Spreadsheet dates and the gene meant",
        ),
        "orthologs": (
            orthologs(data),
            "Ensembl Compara human–mouse homologues",
            "Ensembl data: no restrictions (EMBL-EBI terms of use)",
            "One-to-one human–mouse orthologs",
        ),
        "tfs": (
            transcription_factors(data),
            "AnimalTFDB-style lists as used by SCENIC; Lambert et al. 2018 for `curated`",
            "facts, no licence needed",
            "Transcription factors",
        ),
        "trrust": (
            prior,
            "TRRUST v2, Han et al. 2018, doi:10.1093/nar/gkx1013",
            "CC BY-SA 4.0",
            "TF–target edges curated from the literature",
        ),
        "gene_ontology": (
            gene_ontology(data),
            "Gene Ontology, biological process, human, release of 2018, doi:10.1093/nar/gky1055",
            "CC BY 4.0",
            "Sets of human genes that share a biological process",
        ),
    }
    cards = {}
    for name, (table, source, licence, description) in tables.items():
        content = gzipped_table(table)
        write(OUT / f"{name}.tsv.gz", content)
        cards[name] = card(name, f"{name}.tsv.gz", content, source, licence, description, len(table))
    content, n_cells = build_reference(data, set(prior["source"]) | set(prior["target"]), OUT)
    source = "10x Genomics PBMC3k; FACS-sorted PBMC of Zheng et al. 2017, doi:10.1038/ncomms14049 (10x Genomics)"
    cards["immune_reference"] = card(
        "immune_reference",
        "immune_reference.h5ad",
        content,
        source,
        "CC BY 4.0",
        "Counts of labelled PBMC on one label map",
        n_cells,
    )
    write(OUT / "immune_hierarchy.json", hierarchy())
    cards["immune_hierarchy"] = card(
        "immune_hierarchy",
        "immune_hierarchy.json",
        hierarchy(),
        "Cell Ontology (OBO Foundry), http://purl.obolibrary.org/obo/cl.owl: ids and which of these types is a kind of which",
        "CC BY 4.0",
        "What is above the labels of the immune reference",
        len(HIERARCHY),
    )
    write(OUT / "cards.json", (json.dumps(cards, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
    for name, c in cards.items():
        print(f"{name:18s} {c['n_rows']:7,d} rows  {(OUT / c['file']).stat().st_size / 1e6:.2f} MB")


def card(name: str, file: str, content: bytes, source: str, licence: str, description: str, n_rows: int) -> dict:
    digest = hashlib.sha256(content).hexdigest()
    return {"name": name, "file": file, "source": source, "licence": licence, "description": description,
            "sha256": digest, "made_by": MADE_BY, "n_rows": n_rows}  # fmt: skip


if __name__ == "__main__":
    main()
