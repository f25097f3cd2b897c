"""Fetching public data sets, from a server on this machine: what is believed, and one line for what is not."""

import errno
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training.datasets import download as module
from training.datasets.download import REMOTE, RemoteFile, download
from training.errors import DownloadError

DATA = Path(os.environ.get("FOVEA_DATA", Path(__file__).parents[4] / "shared" / "data"))
CONTENT = bytes(range(256)) * 20_000  # 5 MB: several reads


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has one file, data.bin."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "data.bin").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=tmp_path / "served")) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def remote(monkeypatch: pytest.MonkeyPatch, *urls: str, size: int = len(CONTENT), checksum: str | None = None) -> None:
    """Makes the data set `mnist` one file at these addresses."""
    file = RemoteFile(urls, size, checksum or hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(REMOTE, "mnist", (file,))


def refused(folder: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        download("mnist", folder)
    assert list(folder.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("method", [hashlib.sha256, hashlib.md5])
def test_a_file_with_the_right_checksum_is_there_afterwards_and_nothing_else(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, method: type
) -> None:
    remote(monkeypatch, f"{server}/data.bin", checksum=method(CONTENT).hexdigest())
    assert download("mnist", folder) == [folder / "data.bin"]
    assert list(folder.iterdir()) == [folder / "data.bin"]
    assert (folder / "data.bin").read_bytes() == CONTENT
    assert (folder / "data.bin").stat().st_mode & 0o777 == 0o644


def test_what_is_there_already_is_not_fetched_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote(monkeypatch, f"{nobody()}/data.bin")
    folder.mkdir()
    (folder / "data.bin").write_bytes(CONTENT)
    assert download("mnist", folder) == [folder / "data.bin"]


def test_a_file_of_that_name_with_other_contents_is_left_alone(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote(monkeypatch, f"{server}/data.bin")
    folder.mkdir()
    (folder / "data.bin").write_bytes(b"mine")
    with pytest.raises(DownloadError) as caught:
        download("mnist", folder)
    assert str(caught.value) == (f"{folder}/data.bin is there with other contents; remove it, and it is fetched again")
    assert (folder / "data.bin").read_bytes() == b"mine"


def test_a_second_place_is_tried(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote(monkeypatch, f"{server}/missing/data.bin", f"{server}/data.bin")
    download("mnist", folder)
    assert (folder / "data.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_is_not_believed(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote(monkeypatch, f"{server}/data.bin", checksum="0" * 64)
    assert f"5,120,000 bytes of another checksum than {'0' * 64}; put these files into {folder}" in refused(folder)


def test_a_cut_file_is_not_believed(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote(monkeypatch, f"{server}/data.bin", size=len(CONTENT) + 5)
    remote(monkeypatch, f"{server}/data.bin", size=len(CONTENT) + 5, checksum="1" * 64)
    assert "5,120,000 bytes of another checksum" in refused(folder)


def test_not_one_byte_too_many_is_kept(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote(monkeypatch, f"{server}/data.bin", size=len(CONTENT) - 1)
    assert "more than the 5,119,999 bytes it should have; put these files into" in refused(folder)


def test_a_file_that_is_not_there_says_so(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote(monkeypatch, f"{server}/nowhere.bin")
    assert refused(folder).startswith(f"cannot fetch {server}/nowhere.bin: File not found; put these files into ")


def test_without_a_network_one_line_says_which_files_to_put_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{nobody()}/data.bin"
    remote(monkeypatch, url)
    assert refused(folder) == (
        f"cannot fetch {url}: [Errno {errno.ECONNREFUSED}] Connection refused; "
        f"put these files into {folder} yourself: {url}"
    )


def test_a_server_that_says_nothing_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_WITHOUT_A_BYTE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        remote(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}/data.bin")
        assert "timed out; put these files into" in refused(folder)


def test_a_set_without_a_public_place_is_named(folder: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        download("folder", folder)
    assert str(caught.value) == ("data set 'folder' cannot be downloaded; these can: mnist, fashion_mnist, cifar10")


@pytest.mark.parametrize(("name", "place"), [("mnist", "mnist"), ("fashion_mnist", "fashion-mnist")])
def test_sizes_and_checksums_are_those_of_the_real_files(name: str, place: str) -> None:
    if not (DATA / place).is_dir():
        pytest.skip(f"needs {DATA / place} (FOVEA_DATA names the folder above)")
    for file in REMOTE[name]:
        content = (DATA / place / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.checksum)


def test_every_address_is_encrypted_and_ends_in_the_name_of_its_file() -> None:
    for file in (file for files in REMOTE.values() for file in files):
        assert all(url.startswith("https://") and url.endswith(f"/{file.name}") for url in file.urls)
