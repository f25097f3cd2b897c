"""The raw requests that fuzzing found (go-fuzz-corpus, 2,665 files): none is a 5xx, and the service lives."""

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.service.connections.raw import Address, connected, head

CORPUS = Path(os.environ.get("FOVEA_DATA", "../shared/data")) / "hostile-http" / "httpreq"
# What is behind one that is whole is answered too, and ends the connection; else it is part of it.
_LAST = head("GET /health/live HTTP/1.1", "Connection: close")
_STATUS = re.compile(rb"(?:^|\n|\})HTTP/1\.1 (\d{3}) ")
_AT_ONCE = 50

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"{CORPUS} is not there; FOVEA_DATA names its folder")


def statuses(address: Address, file: Path) -> list[int]:
    """Of every answer until the service closes the connection."""
    with connected(address) as connection:
        received = b""
        try:
            connection.sendall(file.read_bytes() + _LAST)
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass
    return [int(status) for status in _STATUS.findall(received)]


def test_no_raw_request_is_our_fault(hasty: Address, hasty_client: httpx.Client) -> None:
    files = sorted(CORPUS.iterdir())
    assert len(files) > 2000
    found: Counter[int] = Counter()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for file, seen in zip(files, threads.map(partial(statuses, hasty), files), strict=True):
            assert all(status < 500 for status in seen), (file.name, seen)
            found.update(seen)
    assert found[400] > 2000, found  # nearly all of it is no HTTP
    assert hasty_client.get("/health/live").status_code == 200
