"""Downloads from a server on this machine: resumed, mirrored, checked, never half there."""

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools.fm import _download, _sources, _transfer
from scgnn_tools.fm._sources import RemoteFile


class Server(ThreadingHTTPServer):
    """Serves a folder, and does to a path what ``faults`` say, once each."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.faults, self.log = root, {}, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.log.append((self.path, wanted, self.headers.get("Authorization")))
        fault = server.faults.pop(self.path, None)
        if isinstance(fault, int):
            self.send_error(fault)
            return
        if fault == "page":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"\n<!DOCTYPE html><html>Sign in</html>")
            return
        if fault == "redirect":
            self.send_response(302)
            self.send_header("Location", self.path + "?store")
            self.send_header("X-Linked-Etag", f'"{server.announced}"')
            self.end_headers()
            return
        path = server.root / self.path.split("?")[0].lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted and fault != "no ranges" else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data) // 2 if fault == "cut" else len(data)
        self.wfile.write(data[start:end])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    (tmp_path / "www").mkdir()
    server = Server(tmp_path / "www")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def big(server) -> RemoteFile:
    """A file of three megabytes on the server."""
    data = b"weights\n" * 400_000
    (server.root / "big.bin").write_bytes(data)
    return RemoteFile("big.bin", (f"{server.url}/big.bin",), hashlib.sha256(data).hexdigest())


def test_a_model_from_a_mirror_is_loaded_and_not_fetched_twice(server, folders, cells, tmp_path, monkeypatch):
    monkeypatch.setattr(sgt.settings, "cache_dir", tmp_path / "cache")
    shutil.copytree(folders["scgpt"], server.root / "scgpt" / "whole-human")
    folder = sgt.fm.download("scgpt", mirror=server.url)
    assert folder == tmp_path / "cache" / "scgpt" / "whole-human"
    sgt.tl.embed(cells, checkpoint=folder)
    assert cells.obsm["X_scgpt"].shape == (40, 32)
    requests = len(server.log)
    assert requests == 3
    sgt.fm.download("scgpt", mirror=server.url)
    assert len(server.log) == requests
    (folder / "args.json").write_text("{}")  # changed on disk: fetched again
    sgt.fm.download("scgpt", mirror=server.url)
    assert len(server.log) == requests + 1
    assert sorted(p.name for p in folder.iterdir()) == ["args.json", "best_model.pt", "download.json", "vocab.json"]


def test_geneformer_comes_with_the_dictionaries_of_its_series(server, folders, tmp_path, monkeypatch):
    root = server.root / "ctheodoris" / "Geneformer" / "resolve" / "main"
    shutil.copytree(folders["geneformer"], root / "Geneformer-V2-104M")
    (root / "geneformer").mkdir()
    for word in ("token_dictionary", "gene_median_dictionary"):
        (root / "Geneformer-V2-104M" / f"{word}.pkl").rename(root / "geneformer" / f"{word}_gc104M.pkl")
    import pickle

    (root / "geneformer" / "ensembl_mapping_dict_gc104M.pkl").write_bytes(pickle.dumps({"A": "B"}))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    folder = sgt.fm.download("geneformer", folder=tmp_path / "here")
    assert sgt.fm.load("geneformer", checkpoint=folder, device="cpu").series == "V2"
    assert {token for *_, token in server.log} == {None}  # the token is sent by https only


def test_a_broken_connection_is_resumed(server, big, tmp_path):
    server.faults["/big.bin"] = "cut"
    path = _download.fetch(big, list(big.urls), tmp_path)
    assert path.read_bytes() == (server.root / "big.bin").read_bytes()
    assert [r for _, r, _ in server.log] == [None, "bytes=1600000-"]  # every byte that came is kept


def test_a_later_call_goes_on_and_a_server_without_ranges_starts_again(server, big, tmp_path):
    (tmp_path / ".big.bin.part").write_bytes((server.root / "big.bin").read_bytes()[:1000])
    server.faults["/big.bin"] = "no ranges"
    _download.fetch(big, list(big.urls), tmp_path)
    assert hashlib.sha256((tmp_path / "big.bin").read_bytes()).hexdigest() == big.sha256
    assert server.log[0][1] == "bytes=1000-"
    assert not (tmp_path / ".big.bin.part").exists()


def test_a_part_that_is_whole_already_is_taken(server, big, tmp_path):
    shutil.copy(server.root / "big.bin", tmp_path / ".big.bin.part")
    _download.fetch(big, list(big.urls), tmp_path)
    assert (tmp_path / "big.bin").stat().st_size == 3_200_000


def test_a_part_of_another_file_is_thrown_away(server, big, tmp_path):
    (tmp_path / ".big.bin.part").write_bytes(b"x" * 1000)
    _download.fetch(big, list(big.urls), tmp_path)
    assert hashlib.sha256((tmp_path / "big.bin").read_bytes()).hexdigest() == big.sha256


@pytest.mark.parametrize("fault", [404, 500, "page"])
def test_the_next_mirror_is_tried(server, big, tmp_path, fault):
    (server.root / "other.bin").write_bytes((server.root / "big.bin").read_bytes())
    server.faults["/other.bin"] = fault
    assert _download.fetch(big, [f"{server.url}/other.bin", *big.urls], tmp_path).is_file()
    asked = [path for path, *_ in server.log]
    assert asked == (["/other.bin"] * 2 if fault == 500 else ["/other.bin", "/big.bin"])  # 500 may pass: asked again


def test_wrong_content_is_refused_and_nothing_is_left(server, big, tmp_path):
    (server.root / "big.bin").write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"big.bin could not be downloaded.*sha256 .*, wanted .*mirror="):
        _download.fetch(big, list(big.urls), tmp_path)
    assert list(tmp_path.glob("*big*")) == []
    assert list(tmp_path.glob(".*part")) == []


def test_the_checksum_that_the_hub_announces_counts(server, big, tmp_path):
    loose = RemoteFile(big.name, big.urls)
    server.announced, server.faults["/big.bin"] = "0" * 64, "redirect"
    with pytest.raises(WeightsError, match="wanted 000000000000"):
        _download.fetch(loose, list(loose.urls), tmp_path)
    server.announced, server.faults["/big.bin"] = big.sha256, "redirect"
    assert _download.fetch(loose, list(loose.urls), tmp_path).is_file()
    assert json.loads((tmp_path / "download.json").read_text())["big.bin"]["sha256"] == big.sha256


def test_a_web_page_is_no_checkpoint(server, big, tmp_path):
    server.faults["/big.bin"] = "page"
    with pytest.raises(WeightsError, match="a web page instead of the file"):
        _download.fetch(RemoteFile(big.name, big.urls), list(big.urls), tmp_path)


def reply(handler, data, *, code=200, length=True, **headers):
    handler.send_response(code)
    if length is not False:
        handler.send_header("Content-Length", str(len(data) if length is True else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(data)


def start(handler):
    wanted = handler.headers.get("Range")
    return int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0


@contextlib.contextmanager
def served(behave):
    """An address whose answers are what ``behave(handler, number of the request)`` sends."""

    class Behaves(Handler):
        def do_GET(self) -> None:
            self.server.log.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
            behave(self, len(self.server.log))

    server = Server(Path())
    server.RequestHandlerClass = Behaves
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


DATA = np.random.default_rng(0).bytes(3_000_000)
OTHER = DATA[::-1]
TAG = {"ETag": '"1"'}


def ranged(handler, n, data=DATA, cut=None, **headers):
    """Answer as a server should, ranges and all; ``cut`` ends the first answer early."""
    at = start(handler)
    if at and handler.headers.get("If-Range", headers.get("ETag")) != headers.get("ETag"):
        at = 0
    body = data[at : cut if n == 1 else None]
    more = {"Content_Range": f"bytes {at}-{len(data) - 1}/{len(data)}"} if at else {}
    reply(handler, body, code=206 if at else 200, length=len(data) - at, **headers, **more)


def chunked(handler, data, *, ends=True):
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for i in range(0, len(data), 2**20):
        piece = data[i : i + 2**20]
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    if ends:
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = True


WHOLE = {
    "at once": lambda h, n: reply(h, DATA),
    "kept open": lambda h, n: reply(h, DATA, Connection="keep-alive"),
    "cut once, no name of the version": lambda h, n: ranged(h, n, cut=1_100_000),
    "cut once, with an ETag": lambda h, n: ranged(h, n, cut=1_100_000, **TAG),
    "cut once, with a date": lambda h, n: ranged(h, n, cut=1_100_000, Last_Modified="Mon, 05 Jan 2026 10:00:00 GMT"),
    "in chunks": lambda h, n: chunked(h, DATA),
    "500 and 500 first": lambda h, n: reply(h, b"no", code=500) if n < 3 else reply(h, DATA),
    "redirected": lambda h, n: reply(h, b"", code=302, Location="/there") if n == 1 else reply(h, DATA),
}


@pytest.mark.parametrize("how", WHOLE)
def test_sound_servers_without_a_known_sha256(tmp_path, how):
    with served(WHOLE[how]) as server:
        path = _download.fetch(RemoteFile("big.bin"), [f"{server.url}/big.bin"], tmp_path)
    assert path.read_bytes() == DATA
    assert sorted(p.name for p in tmp_path.iterdir()) == ["big.bin", "download.json"]
    if how == "cut once, with an ETag":
        assert [wanted for _, wanted, _ in server.log] == [None, "bytes=1100000-"]


def then(second):
    return lambda h, n: reply(h, DATA[:1_100_000], length=3_000_000, **TAG) if n == 1 else second(h)


REFUSED = {
    "ends early each time": lambda h, n: reply(h, DATA[:1000], length=3_000_000),
    "no length, cut off": lambda h, n: reply(h, DATA[:1_000_000], length=False),
    "in chunks, cut off": lambda h, n: chunked(h, DATA, ends=False),
    "goes on behind its length": lambda h, n: reply(h, DATA, length=1_000_000),
    "a length of letters": lambda h, n: reply(h, DATA, length="abc"),
    "a negative length": lambda h, n: reply(h, DATA, length="-5"),
    "nothing": lambda h, n: reply(h, b""),
    "an error as JSON": lambda h, n: reply(h, b'{"error": "rate limited"}'),
    "a Git LFS pointer": lambda h, n: reply(h, b"version https://git-lfs.github.com/spec/v1\nsize 3000000\n"),
    "an error as XML": lambda h, n: reply(h, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
    "packed": lambda h, n: reply(h, gzip.compress(b"\0" * 10_000_000, 1), Content_Encoding="gzip"),
    "to a file": lambda h, n: reply(h, b"", code=302, Location="file:///etc/passwd"),
    "to ftp": lambda h, n: reply(h, b"", code=302, Location="ftp://127.0.0.1/x"),
    "to nowhere": lambda h, n: reply(h, b"", code=302, Location="http://[bad"),
    "in a circle": lambda h, n: reply(h, b"", code=302, Location=h.path),
    "a part that nobody asked for": lambda h, n: reply(h, DATA, code=206, Content_Range="bytes 0-2999999/3000000"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_no_whole_file_is_refused_and_leaves_nothing(tmp_path, how):
    with served(REFUSED[how]) as server, pytest.raises(WeightsError, match=r"big\.bin could not be downloaded"):
        _download.fetch(RemoteFile("big.bin"), [f"{server.url}/big.bin"], tmp_path)
    assert not (tmp_path / "big.bin").exists()
    assert [p.name for p in tmp_path.iterdir()] == []


RESUMED = {
    "the whole from 0 as a part": then(lambda h: reply(h, DATA, code=206, Content_Range="bytes 0-2999999/3000000")),
    "from another place": then(
        lambda h: reply(h, DATA[start(h) - 5000 :], code=206, Content_Range=f"bytes {start(h) - 5000}-2999999/3000000")
    ),
    "no word of the place": then(lambda h: reply(h, DATA[start(h) :], code=206)),
    "another version": then(lambda h: ranged(h, 2, OTHER, ETag='"2"')),
    "a part of another version": then(
        lambda h: reply(h, OTHER[start(h) :], code=206, ETag='"2"', Content_Range=f"bytes {start(h)}-2999999/3000000")
    ),
}


@pytest.mark.parametrize("how", RESUMED)
def test_halves_of_two_files_are_never_one(tmp_path, how):
    with served(RESUMED[how]) as server:
        try:
            got = _download.fetch(RemoteFile("big.bin"), [f"{server.url}/big.bin"], tmp_path).read_bytes()
        except WeightsError:
            got = None
    assert got in (None, DATA, OTHER)


def test_a_part_is_of_one_address(tmp_path):
    def breaks(h, n):
        return ranged(h, n, OTHER, cut=1_200_000, **TAG) if n == 1 else reply(h, b"", code=404)

    with served(breaks) as mirror, served(lambda h, n: ranged(h, n, **TAG)) as publisher:
        urls = [f"{mirror.url}/big.bin", f"{publisher.url}/big.bin"]
        assert _download.fetch(RemoteFile("big.bin"), urls, tmp_path).read_bytes() == DATA


def test_a_trickle_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(_transfer, "WINDOW", 0.5)

    def drip(h, n):
        h.send_response(200)
        h.send_header("Content-Length", "3000000")
        h.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(100):
                h.wfile.write(b"x")
                time.sleep(0.05)

    with served(drip) as server, pytest.raises(WeightsError, match=r"it sent \d+ bytes in"):
        _download.fetch(RemoteFile("big.bin"), [f"{server.url}/big.bin"], tmp_path)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_part_that_is_a_link_is_not_followed(server, big, tmp_path, link):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "into").mkdir()
    link(victim, tmp_path / "into" / ".big.bin.part")
    _download.fetch(big, list(big.urls), tmp_path / "into")
    assert victim.read_text() == "mine"


def test_threads_that_download_one_file_get_it_whole_and_fetch_it_once(tmp_path):
    def slowly(h, n):
        h.send_response(200)
        h.send_header("Content-Length", str(len(DATA)))
        h.end_headers()
        for i in range(0, len(DATA), 2**20):
            h.wfile.write(DATA[i : i + 2**20])
            time.sleep(0.05)

    got = []
    with served(slowly) as server:
        urls = [f"{server.url}/big.bin"]
        call = lambda: got.append(_download.fetch(RemoteFile("big.bin"), urls, tmp_path).read_bytes())  # noqa: E731
        threads = [threading.Thread(target=call) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert [g == DATA for g in got] == [True] * 3
    assert len(server.log) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["big.bin", "download.json"]


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_lock_that_is_a_link_and_a_file_that_is_here(server, big, tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / _download.LOCK).symlink_to(tmp_path / "victim")
    with pytest.raises(WeightsError, match=r"big\.bin cannot be written into"):
        _download.fetch(big, list(big.urls), tmp_path / "into")
    shutil.copy(server.root / "big.bin", tmp_path / "into")
    assert _download.fetch(big, list(big.urls), tmp_path / "into").is_file()  # nothing is written
    assert server.log == []


@pytest.mark.parametrize(
    ("endpoint", "url", "sent"),
    [
        (None, "https://huggingface.co/x", True),
        (None, "https://HuggingFace.co/x", True),
        (None, "http://huggingface.co/x", False),
        (None, "https://huggingface.co.evil.org/x", False),
        (None, "https://huggingface.community/x", False),
        (None, "https://huggingface.co@evil.org/x", False),
        (None, "https://cdn.huggingface.co/x", False),
        (None, "https://huggingface.co:444/x", False),
        ("", "https://huggingface.co/x", True),
        ("", "https://mirror.org/x", False),
        ("", "http://127.0.0.1/x", False),
        ("https://hub.org", "https://hub.org/x", True),
        ("https://hub.org", "https://hub.organisation.org/x", False),
        ("https://hub.org", "https://huggingface.co/x", False),
        ("http://hub.org", "http://hub.org/x", False),
    ],
)
def test_the_token_goes_to_the_hub_alone(monkeypatch, endpoint, url, sent):
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    if endpoint is not None:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert _transfer.may_have_token(url) is sent
    monkeypatch.setenv("HF_TOKEN", "")
    assert not _transfer.may_have_token(url)


def test_the_token_is_not_sent_where_the_hub_leads_to(tmp_path, monkeypatch):
    monkeypatch.setattr(_transfer, "may_have_token", lambda url: True)
    monkeypatch.setenv("HF_TOKEN", "secret")
    with served(WHOLE["redirected"]) as server:
        _download.fetch(RemoteFile("big.bin"), [f"{server.url}/big.bin"], tmp_path)
    assert [token for *_, token in server.log] == ["Bearer secret", None]


def test_no_server_at_all(tmp_path):
    with pytest.raises(WeightsError, match="could not be downloaded"):
        _download.fetch(RemoteFile("x"), ["http://127.0.0.1:9/x"], tmp_path)


def test_a_full_disk_is_said_before_the_download(server, big, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(WeightsError, match=r"GB left\. Pass folder="):
        _download.fetch(big, list(big.urls), tmp_path)


@pytest.mark.parametrize("which", [n for n in _sources.SOURCES if sgt.fm.card(n).restricted])
def test_restricted_weights_want_consent(which, tmp_path):
    with pytest.raises(InputValueError, match="accept_license=True"):
        sgt.fm.download(which, folder=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_no_program_can_fetch_says_where_to_get_it(tmp_path):
    with pytest.raises(WeightsError, match=r"by hand from https://github.com/epang-ucas/Cell-Graph-Compass"):
        sgt.fm.download("cgc", folder=tmp_path, accept_license=True)


def test_wrong_names(tmp_path):
    with pytest.raises(InputValueError, match="variants are Geneformer-V2-104M, "):
        sgt.fm.download("geneformer", variant="V3", folder=tmp_path)
    with pytest.raises(InputValueError, match="bundled"):
        sgt.fm.download("corpus-svd")
    with pytest.raises(InputValueError, match="the models are"):
        sgt.fm.download("nope")


def test_every_published_model_has_sources():
    table = sgt.fm.list()
    published = ~table["bundled"] & (table.index != "scnetformer")  # a thesis without weights
    assert set(_sources.SOURCES) == set(table.index[published])


def test_what_nobody_published_is_not_called_bundled():
    with pytest.raises(InputValueError, match="scnetformer has no published weights"):
        sgt.fm.download("scnetformer")
