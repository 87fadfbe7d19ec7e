"""Mirror folders, downloads that break, and machines without a network."""

import errno
import gzip
import http.server
import socket
import threading
import time
from functools import partial

import pytest
import torchvision.datasets as sets

from redoubt import data
from redoubt.data import fetch
from redoubt.errors import RedoubtError
from tests.data import fake_archives as fakes


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `files`; the first `broken` answers for each name are cut in half."""

    files, broken, silent, asked = {}, 0, 0.0, []

    def do_GET(self):
        name = self.path.strip("/")
        self.asked.append(name)
        time.sleep(self.silent)
        if name not in self.files:
            self.send_error(404)
            return
        content = self.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = self.asked.count(name) <= self.broken
        self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A function that serves a made-up MNIST on the loopback address and returns the server's class."""
    stop = []

    def serve(broken=0, silent=0.0):
        truth = fakes.mnist(tmp_path / "served", monkeypatch)
        files = {path.name: path.read_bytes() for path in (tmp_path / "served").iterdir()}
        handler = type(
            "Handler", (Server,), {"files": files, "broken": broken, "silent": silent, "asked": []}
        )
        running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        stop.append(running)
        monkeypatch.setattr(sets.MNIST, "mirrors", [f"http://127.0.0.1:{running.server_port}/"])
        handler.truth = truth
        return handler

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield serve
    for running in stop:
        running.shutdown()
        running.server_close()


@pytest.fixture
def prepare(tmp_path):
    return partial(data.prepare, "mnist", tmp_path / "data/a_study", validation=20)


def test_a_broken_download_is_tried_again(server, prepare):
    handler = server(broken=1)
    record = prepare()
    assert record["source"] == "network"
    assert [handler.asked.count(name) for name in handler.files] == [2, 2, 2, 2]
    assert {entry["from"] for entry in record["read"]} == {"network"}


def test_after_three_broken_downloads_one_error_names_the_file_and_both_ways(server, prepare, tmp_path):
    handler = server(broken=99)
    with pytest.raises(RedoubtError) as error:
        prepare()
    text = str(error.value)
    name, md5 = sets.MNIST.resources[0]
    assert handler.asked == [name] * fetch.TRIES
    assert name in text
    assert md5 in text
    assert "mirror" in text
    assert "redoubt prepare a_study" in text
    assert "received" in text
    assert not any((tmp_path / "data").iterdir())


def test_a_missing_file_on_the_server_says_so(server, prepare):
    server().files.clear()
    with pytest.raises(RedoubtError, match="404"):
        prepare()


def test_a_second_address_is_tried_when_the_first_is_dead(server, prepare, monkeypatch):
    server()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        monkeypatch.setattr(sets.MNIST, "mirrors", [dead, *sets.MNIST.mirrors])
        assert prepare()["source"] == "network"


def test_a_server_that_falls_silent_does_not_hang(server, prepare, monkeypatch):
    monkeypatch.setattr(fetch, "STALLED_S", 0.1)
    server(silent=0.5)
    before = socket.getdefaulttimeout()
    with pytest.raises(RedoubtError, match="timed out"):
        prepare()
    assert socket.getdefaulttimeout() == before


def test_downloads_are_kept_and_a_damaged_one_is_fetched_again(server, prepare, tmp_path):
    handler = server()
    first = prepare()
    assert len(handler.asked) == 4
    assert prepare(seed=1)["source"] == "network"
    assert len(handler.asked) == 4
    kept = tmp_path / "data/downloads/mnist" / sets.MNIST.resources[0][0]
    kept.write_bytes(kept.read_bytes()[:-5])
    assert prepare() == first
    assert handler.asked[4:] == [kept.name]


def test_the_record_and_the_hash_do_not_depend_on_where_the_bytes_came_from(server, prepare, tmp_path):
    server()
    downloaded = prepare()
    mirrored = prepare(mirror=tmp_path / "served")
    assert mirrored["source"] == "mirror"
    assert mirrored["sha256"] == downloaded["sha256"]
    assert mirrored["files"] == downloaded["files"]


def test_the_mirror_is_looked_at_first_and_the_network_completes_it(server, prepare, tmp_path):
    handler = server()
    absent = tmp_path / "served" / sets.MNIST.resources[3][0]
    absent.unlink()
    record = prepare(mirror=tmp_path / "served")
    assert handler.asked == [absent.name]
    assert [entry["from"] for entry in record["read"]] == ["mirror"] * 3 + ["network"]
    assert record["source"] == "network"


def test_without_a_network_the_error_names_the_file_and_the_mirror(
    prepare, no_network, tmp_path, monkeypatch
):
    fakes.mnist(tmp_path / "unused", monkeypatch)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RedoubtError) as error:
        prepare(mirror=tmp_path / "empty")
    assert len(no_network) == fetch.TRIES
    assert sets.MNIST.resources[0][0] in str(error.value)
    assert str(tmp_path / "empty") in error.value.hint
    assert "name resolution" in str(error.value)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw", "mnist/MNIST/raw"])
def test_the_mirror_may_hold_files_in_any_usual_place(prepare, tmp_path, monkeypatch, place):
    fakes.mnist(tmp_path / "a mirror" / place, monkeypatch)
    assert prepare(mirror=tmp_path / "a mirror")["source"] == "mirror"


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_a_damaged_file_in_the_mirror_is_refused_and_not_replaced_silently(
    prepare, tmp_path, monkeypatch, damage
):
    fakes.mnist(tmp_path / "mirror", monkeypatch)
    name, md5 = sets.MNIST.resources[0]
    path = tmp_path / "mirror" / name
    content = path.read_bytes()
    path.write_bytes(content[:-20] if damage == "truncated" else gzip.compress(b"other"))
    with pytest.raises(RedoubtError, match="damaged or cut short") as error:
        prepare(mirror=tmp_path / "mirror")
    assert error.value.file == path
    assert md5 in error.value.allowed
    assert not any((tmp_path / "data").iterdir())


def test_a_mirror_that_is_not_there_is_an_error_and_not_a_download(prepare, no_network, tmp_path):
    with pytest.raises(RedoubtError, match="mirror folder does not exist") as error:
        prepare(mirror=tmp_path / "typo")
    assert error.value.key == "mirror"
    assert no_network == []


def test_a_full_disk_during_a_download_is_not_tried_again(prepare, tmp_path, monkeypatch):
    fakes.mnist(tmp_path / "unused", monkeypatch)
    calls = []

    def full(url, path):
        calls.append(url)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(fetch, "_transfer", full)
    with pytest.raises(RedoubtError, match="no space left on the device"):
        prepare()
    assert len(calls) == 1
    assert not any((tmp_path / "data").iterdir())
