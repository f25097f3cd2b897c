"""A server on a real port that answers POST as it is told, for what the service itself does not do on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = 200, {"results": [{"image": "0", "predictions": []}]}


@dataclass
class Scripted:
    """`script` is told how many requests came before and gives status and JSON, or None to hang up. It says that every
    connection ends behind its answer, where `closing`.
    """

    script: Callable[[int], tuple[int, object] | None]
    closing: bool = False
    url: str = ""
    connections: int = 0
    paths: list[str] = field(default_factory=list)

    def next(self, path: str) -> tuple[int, object] | None:
        with self._lock:
            self.paths.append(path)
            count = len(self.paths) - 1
        return self.script(count)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()


@contextmanager
def scripted(script: Callable[[int], tuple[int, object] | None], *, closing: bool = False) -> Iterator[Scripted]:
    told = Scripted(script, closing)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            told.connections += 1

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer = told.next(self.path)
            if answer is None:
                self.close_connection = True
                return
            body = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(body)))
            if told.closing:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
