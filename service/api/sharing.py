"""CORS: the pages of which other origins may ask, through a browser. None, unless the settings name them.

No cookie is ever of use here, so none is allowed for: who has a token sends it.
"""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from service.settings import Settings, listed

_SENT = ("Authorization", "Content-Type", "X-Request-ID", "Inference-Header-Content-Length")
_READ = (
    *("X-Request-ID", "Server-Timing", "Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate"),
    *("X-Legend", "Content-Disposition", "Inference-Header-Content-Length"),
)


def sharing(settings: Settings) -> list[Middleware]:
    """Nothing where no origin is named: then a browser keeps every answer from pages of other origins."""
    origins = listed(settings.cors_origins)
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=_SENT,
            expose_headers=_READ,
        )
    ]
