"""Where the service is, and how a request to it is written."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from service.errors import shown
from service.load.errors import CannotMeasureError


@dataclass(frozen=True)
class Address:
    """`prefix` is the path under which a proxy serves it, without a slash at its end."""

    host: str
    port: int
    prefix: str = ""

    @property
    def url(self) -> str:
        return f"http://{self._authority}{self.prefix}"

    @property
    def _authority(self) -> str:
        # RFC 9112, 3.2: an IPv6 address stands in brackets.
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def request(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> bytes:
        """The bytes of one HTTP/1.1 request; the connection stays open after it."""
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"Host: {self._authority}"]
        if body:
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def parsed(url: str) -> Address:
    """Raises CannotMeasureError where it is not the http:// address of a service."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise _unusable(url) from error
    if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment or not url.isascii():
        raise _unusable(url)
    return Address(parts.hostname, port, parts.path.rstrip("/"))


@dataclass(frozen=True)
class Model:
    """Whom the requests ask: `mnist`, or `mnist@2`, as the training's commands write a version."""

    name: str
    version: str | None = None

    @classmethod
    def named(cls, text: str) -> "Model":
        name, at, version = text.partition("@")
        return cls(name, version if at else None)

    @property
    def path(self) -> str:
        path = f"/v1/models/{quote(self.name, safe='')}"
        return path if self.version is None else f"{path}/versions/{quote(self.version, safe='')}"


def _unusable(url: str) -> CannotMeasureError:
    return CannotMeasureError(f"--url {shown(url)} cannot be used", "give it as http://HOST:PORT or http://HOST/PREFIX")
