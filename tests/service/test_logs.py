"""The log's lines as whoever reads the pipe gets them."""

import json
import logging
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from service.logs import Log, encoded, line

FORGED = 'a\r\n{"level":"error"}\x1b[31m"\\\u2028\x9b1;31m\x00'


def record(message: str, *args: object, fields: dict[str, object] | None = None) -> logging.LogRecord:
    made = logging.LogRecord("fovea", logging.WARNING, "file.py", 1, message, args, None)
    made.__dict__["fields"] = fields or {}
    return made


def read(written: bytes) -> dict[str, Any]:
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert written.isascii()
    found: dict[str, Any] = json.loads(written)
    return found


def test_a_line_is_one_object_whatever_the_text_holds() -> None:
    found = read(line(record("%s is ignored", FORGED, fields={"model": FORGED})))
    assert (found["message"], found["model"], found["level"]) == (f"{FORGED} is ignored", FORGED, "warning")
    assert b"\x1b" not in line(record(FORGED))


def test_no_field_is_longer_than_a_kibibyte_and_no_line_than_a_pipe_takes_in_one_piece() -> None:
    found = read(line(record("x" * 1_000_000, fields={"model": "m" * 1_000_000})))
    assert (len(found["message"]), len(found["model"])) == (1024, 1024)
    for text in ("\x00" * 1_000_000, "\u2028" * 1_000_000, "x" * 1_000_000):
        written = line(record(text, fields={"model": text, "other": text}))
        assert len(written) <= select.PIPE_BUF
        assert read(written)["level"] == "warning"


def test_a_traceback_is_a_field_with_its_end() -> None:
    error = RuntimeError("the end")
    made = logging.LogRecord("fovea", logging.ERROR, "f", 1, "lost", (), (RuntimeError, error, None))
    assert read(line(made))["traceback"] == "RuntimeError: the end\n"


def test_a_library_that_logs_nonsense_is_written_down_all_the_same() -> None:
    assert read(line(record("%d of %d", "x")))["message"] == "%d of %d"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def lines(descriptor: int) -> list[dict[str, Any]]:
    os.set_blocking(descriptor, False)
    found = b""
    while select.select([descriptor], [], [], 0)[0]:
        found += os.read(descriptor, 1 << 20)
    return [json.loads(one) for one in found.splitlines()]


def test_a_reader_that_stops_stops_nobody_and_the_next_line_says_how_many_are_missing(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log, size = Log(writing), 1000
    for number in range(size):
        log.write(encoded({"number": number, "padding": "x" * 500}))
    first = lines(reading)
    assert [one["number"] for one in first] == list(range(len(first)))
    log.write(encoded({"number": size}))
    note, last = lines(reading)
    assert note["message"] == f"{size - len(first)} lines were left out: nobody read them"
    assert last == {"number": size}


def test_what_cannot_be_written_is_no_error() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        Log(full).write(b"{}\n")
    finally:
        os.close(full)


FORKING = """
import os
from service.logs import Log, encoded
log = Log(1)
for name in ("a", "b"):
    if os.fork() == 0:
        for _ in range(20):
            log.write(encoded({"from": name, "padding": name * 900}))
        os._exit(0)
for _ in range(2):
    os.wait()
"""


def test_lines_of_several_processes_do_not_mix() -> None:
    """Forked where there are no other threads, whose locks they might wait for."""
    written = subprocess.check_output([sys.executable, "-c", FORKING])  # noqa: S603
    found = [json.loads(line) for line in written.splitlines()]
    assert sorted(one["from"] for one in found) == ["a"] * 20 + ["b"] * 20
    assert all(one["padding"] == one["from"] * 900 for one in found)


def test_every_line_of_a_service_is_json_from_its_start_to_its_end() -> None:
    code = (
        "import logging\n"
        "from service.logs import configure\n"
        "log = configure('info')\n"
        "logging.getLogger('fovea').info('begun')\n"
        "logging.getLogger('uvicorn.error').warning('Invalid HTTP request received.')\n"
        "logging.getLogger('uvicorn.error').error('Exception in ASGI application\\n')\n"
        "logging.getLogger('fovea').debug('not shown')\n"
        'log.write(b\'{"message": "request"}\\n\')\n'
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603
    assert [json.loads(one)["message"] for one in done.stderr.splitlines()] == [
        "begun",
        "Invalid HTTP request received.",
        "request",
    ]
    assert done.stdout == b""
