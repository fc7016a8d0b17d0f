"""Run the benchmarks of a topic and print their tables: ``python -m benchmarks cgc``; all of them: ``make bench``.

Usage: ``python -m benchmarks [cgc] [embedding] [annotation] [grn] [integration] [perturbation] [scale] [--data ../shared/data]``
"""

import argparse
import subprocess
import sys
from pathlib import Path

PEERS = "degree collaborative cosine pcc spearman mi grnboost2 genelink gnnlink gne cnnc scregnet sctransnet sgt genie3 deepdrim scode"
TOPICS = {
    # the ablations, the embeddings beside PCA and scVI, the gene tasks beside their baselines, the speed of each part
    "cgc": ["ablations cgc --folds 2", "cgc_mini --scvi 100 --transformer 150", "cgc"],
    "embedding": ["probe", "embed", "models --cells 64", "memory"],
    "annotation": [
        "annotation --quiet --runs 5", "shifts --runs 1", "fusion", "unknown", "ablations annotation --folds 2", "papers",
        "ablations.scbignn --choose", "scgrapht_speed",
    ],
    "grn": [
        "grn --samples 1 2 3", f"grn --networks beeline1:mDC_500 --splits random degree_matched --runs 1 --methods {PEERS}",
        "ablations grn", "ablations grn --choose --seeds 6", "grn_cells", "grn_joined", "grn_noise", "grn_speed",
        "scnetformer --contexts 60",
    ],
    "integration": ["integration", "integration --splits", "integration --networks"],
    "perturbation": [
        "perturbation", "perturbation --kang", "perturbation --networks", "knockout", "knockout --networks",
        "tasks --kinds perturb --steps 5",
    ],
    "scale": ["scale", "scale --cells 20000", "threads", "gpu --tiny"],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topics", nargs="*", help=f"of {', '.join(TOPICS)}; all by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    if unknown := set(args.topics) - set(TOPICS):
        parser.error(f"no topic {', '.join(sorted(unknown))}; there are: {', '.join(TOPICS)}")
    for name in args.topics or TOPICS:
        for line in TOPICS[name]:
            print(f"\n=== python -m benchmarks.{line}", flush=True)
            module, *options = line.split()
            command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *options, "--data", str(args.data)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
