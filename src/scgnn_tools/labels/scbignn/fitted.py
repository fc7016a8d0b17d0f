"""A trained scBiGNN: its two networks, and the states of the graph's cells, to which other cells are attached."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch

from scgnn_tools.data.batches import CHUNK
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.scbignn.cell_graph import Attach
from scgnn_tools.labels.scbignn.cell_network import CellNetwork, messages
from scgnn_tools.labels.scbignn.config import Config
from scgnn_tools.labels.scbignn.em import Round, gene_level
from scgnn_tools.labels.scbignn.gene_network import GeneNetwork
from scgnn_tools.labels.scbignn.importance import attention, importance
from scgnn_tools.labels.scbignn.inputs import BipartiteInputs, Genes, fingerprint, known_again
from scgnn_tools.nn import Propagation


@dataclass(frozen=True)
class FittedScBiGNN:
    """All that an answer depends on.

    Attributes
    ----------
    config
        What the networks are made of.
    genes
        The genes that they read.
    q, p
        The gene-level and the cell-level network.
    scale
        By which the vectors of cells are divided.
    h, z
        Vectors of the graph's cells from q, (n, d), and their states in p, a tensor a layer.
    log_q, log_p
        Log-probabilities of the graph's cells, (n, n_classes).
    prints
        By which a cell of the graph is known again.
    attach
        Finds the neighbours of a new cell.
    device
        Where to compute.
    trained
        Whether p was trained; one that was not has no say, and q answers in its place.
    """

    config: Config
    genes: Genes
    q: GeneNetwork
    p: CellNetwork
    scale: float
    h: np.ndarray
    z: list[torch.Tensor]
    log_q: np.ndarray
    log_p: np.ndarray
    prints: np.ndarray
    attach: Attach
    device: torch.device
    trained: bool = True

    @classmethod
    def of(cls, best: Round, inputs: BipartiteInputs, config: Config, genes: Genes, device: torch.device) -> Self:
        """Keep what new cells need of a round."""
        features = Propagation(inputs.features, device=device)
        with torch.no_grad():
            a = messages(config, best.a, device)
            z = best.p.states(torch.as_tensor(best.h, device=device), features, a)
        kept = (best.h, z, best.log_q, best.log_p, fingerprint(inputs), Attach(best.h, config.k))
        return cls(config, genes, best.q, best.p, best.scale, *kept, device, best.trained)

    def both(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-probabilities of the gene-level and of the cell-level network, each float64 (n_cells, n_classes)."""
        some = (
            cells if len(cells) <= CHUNK else cells.take(np.arange(i, min(i + CHUNK, len(cells))))
            for i in range(0, len(cells), CHUNK)
        )
        parts = [self._both(c) for c in some]
        empty = np.zeros((0, self.log_q.shape[1]))
        return np.concatenate([empty, *(q for q, _ in parts)]), np.concatenate([empty, *(p for _, p in parts)])

    def _both(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        z, log_q, at = self._asked(cells)
        log_p = log_q.copy()
        if self.trained:
            with torch.no_grad():
                log_p = torch.log_softmax(self.p.logits(z), dim=1).cpu().numpy()
        seen = at >= 0
        log_p[seen], log_q[seen] = self.log_p[at[seen]], self.log_q[at[seen]]
        return log_q.astype(np.float64), log_p.astype(np.float64)

    def represent(self, cells: Cells) -> np.ndarray:
        """Return what the last layer of the cell-level network sees of each cell, or of q where p was not trained, float32 (n_cells, d)."""
        if not self.trained:
            return gene_level(self.q, BipartiteInputs.of(cells, self.genes).tokens, self.device)[0] / self.scale
        z, _, at = self._asked(cells)
        out, graph = torch.cat(z, dim=1).cpu().numpy(), torch.cat(self.z, dim=1).cpu().numpy()
        out[at >= 0] = graph[at[at >= 0]]
        return out

    def importance(self, cells: Cells) -> np.ndarray:
        """Return the attention that each gene receives in these cells, float64 (n_genes,); NaN for a gene that is no token."""
        out = np.full(cells.expression.shape[1], np.nan)
        out[self.genes.tokens] = importance(self.q, BipartiteInputs.of(cells, self.genes).tokens, self.device)
        return out

    def gene_graph(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean attention from gene to gene, and how many cells express both, float64 (n_genes, n_genes) each."""
        n = cells.expression.shape[1]
        at, out = self.genes.tokens, (np.zeros((n, n)), np.zeros((n, n)))
        found = attention(self.q, BipartiteInputs.of(cells, self.genes).tokens, self.device)
        for whole, part in zip(out, found, strict=True):
            whole[np.ix_(at, at)] = part
        return out

    def _asked(self, cells: Cells) -> tuple[list[torch.Tensor], np.ndarray, np.ndarray]:
        """Return the states of cells attached to the graph, log q, and the row of the graph of those that are in it, else -1."""
        inputs = BipartiteInputs.of(cells, self.genes)
        h, log_q = gene_level(self.q, inputs.tokens, self.device)
        h /= self.scale
        with torch.no_grad():
            z = self.p.attached(
                torch.as_tensor(h, device=self.device),
                Propagation(inputs.features, device=self.device),
                messages(self.config, self.attach(h), self.device),
                self.z,
            )
        return z, log_q, known_again(fingerprint(inputs), self.prints)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return all that :meth:`restore` needs."""
        tensors = {f"q.{k}": v.cpu().numpy() for k, v in self.q.state_dict().items()}
        tensors |= {f"p.{k}": v.cpu().numpy() for k, v in self.p.state_dict().items()}
        tensors |= {f"z.{i}": z.cpu().numpy() for i, z in enumerate(self.z)}
        tensors |= {f"genes.{k}": v for k, v in asdict(self.genes).items()}
        tensors |= {"h": self.h, "log_q": self.log_q, "log_p": self.log_p, "prints": self.prints}
        return tensors, {"config": asdict(self.config), "scale": self.scale, "trained": self.trained}

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], config: dict[str, Any], device: torch.device) -> Self:
        """Return what gave that state."""

        def part(prefix: str) -> dict[str, Any]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        def filled(network: torch.nn.Module, prefix: str) -> Any:
            network.load_state_dict({k: torch.as_tensor(v) for k, v in part(prefix).items()})
            return network.to(device).eval()

        c, genes, n_classes = Config(**config["config"]), Genes(**part("genes.")), tensors["log_p"].shape[1]
        q = filled(GeneNetwork.of(c, len(genes.tokens), n_classes), "q.")
        p = filled(CellNetwork.of(c, len(genes.columns), n_classes), "p.")
        h, log_q, log_p, prints = (tensors[k] for k in ("h", "log_q", "log_p", "prints"))
        z = [torch.as_tensor(tensors[f"z.{i}"], device=device) for i in range(c.n_hops + 1)]
        kept = (h, z, log_q, log_p, prints, Attach(h, c.k), device)
        return cls(c, genes, q, p, float(config["scale"]), *kept, config.get("trained", True))
