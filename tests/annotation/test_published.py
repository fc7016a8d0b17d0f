"""Published references, from a server on this machine."""

import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import anndata as ad
import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import InputTypeError, InputValueError, WeightsError
from scgnn_tools.annotation import published


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(sgt.settings, "cache_dir", tmp_path / "cache")
    (tmp_path / "www").mkdir()
    out = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "www")))
    threading.Thread(target=out.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield tmp_path / "www", f"http://127.0.0.1:{out.server_address[1]}"
    out.shutdown()
    out.server_close()


def reference():
    """Cells of the reference that ships, labelled as the published one is."""
    cells = assets.immune_reference()
    total = np.asarray(cells.X.sum(axis=0)).ravel()
    cells = cells[cells.obs["cell_type"].isin(["B cell", "NK cell"]), total > np.sort(total)[-800]][::8].copy()
    cells.obs = cells.obs.rename(columns={"cell_type": "celltype"})
    return cells


def test_a_published_reference_is_fetched_once_and_goes_by_its_name(server):
    folder, url = server
    cells = reference()
    cells[::2].write_h5ad(folder / "pancreas-human.h5ad")
    query = ad.AnnData(cells.X[1::2], var=cells.var.copy())
    with pytest.raises(
        InputValueError, match=r"was not downloaded yet. Call sgt.annotation.download\('pancreas-human'\)"
    ):
        sgt.tl.annotate(query, reference="pancreas-human", method="centroid")
    path = sgt.annotation.download("pancreas-human", mirror=url, accept_license=True)
    assert path == sgt.settings.cache_dir / "references" / "pancreas-human.h5ad"
    assert sgt.annotation.list().loc["pancreas-human", "downloaded"]
    (folder / "pancreas-human.h5ad").unlink()  # it is not asked for again
    assert sgt.annotation.download("pancreas-human", mirror=url, accept_license=True) == path
    sgt.tl.annotate(query, reference="pancreas-human", method="centroid", unknown=None)
    assert (
        query.obs["sgt_label"].astype(str).to_numpy() == cells.obs["celltype"].astype(str).to_numpy()[1::2]
    ).mean() > 0.9


@pytest.mark.parametrize("accept", [False, True])
def test_what_cannot_be_had_is_said(server, accept, monkeypatch):
    _, url = server
    about = published.of("lung-human")
    monkeypatch.setitem(
        published.PUBLISHED,
        "lung-human",
        replace(about, file=published.RemoteFile("lung-human.h5ad", (f"{url}/gone",))),
    )
    error, says = (
        (WeightsError, "could not be downloaded") if accept else (InputValueError, "The licence of lung-human is")
    )
    with pytest.raises(error, match=says):
        sgt.annotation.download("lung-human", accept_license=accept)
    with pytest.raises(InputValueError, match="there are: immune-human, pancreas-human, lung-human"):
        sgt.annotation.download("lungs", accept_license=True)
    assert not published.path_of("lung-human").exists()
    assert {"labels_key", "licence", "megabytes"} <= set(sgt.annotation.list())


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"folder": "file"}, InputValueError, "cannot be written"),
        ({"folder": "a\0b"}, InputValueError, "null character"),
        ({"folder": 3}, InputTypeError, "folder is a path"),
        ({"mirror": 3}, InputTypeError, "mirror"),
        ({"accept_license": "yes"}, InputTypeError, "accept_license is True or False"),
    ],
)
def test_where_to_and_whence_are_looked_at_before_anything_is_fetched(server, tmp_path, monkeypatch, how, error, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(error, match=says):
        sgt.annotation.download("pancreas-human", **{"accept_license": True, "mirror": server[1], **how})
