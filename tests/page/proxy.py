"""A reverse proxy that serves a service under a prefix and strips the prefix from what it passes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

# Headers of one connection, or of a body that httpx has unpacked.
OWN = {"connection", "content-length", "content-encoding", "transfer-encoding"}


@contextmanager
def stripping(prefix: str, upstream: httpx.Client) -> Iterator[str]:
    """The address of the proxy. Outside the prefix it answers 404 itself."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: value for name, value in self.headers.items() if name not in {"Host", "Content-Length"}}
            answer = upstream.request(self.command, self.path.removeprefix(prefix), content=body, headers=kept)
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name not in OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # noqa: N815 - the name is http.server's

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{prefix}/"
        finally:
            server.shutdown()
            thread.join()
