"""Where the service is, for whom: the collection's variables outside of the collection."""

from typing import Any

ADDRESSES = {
    "local": "http://127.0.0.1:8000",
    "docker": "http://127.0.0.1:8000",
    "proxy_prefix": "http://127.0.0.1:8080/fovea",
}
_NAMES = {
    "local": "Fovea, make serve",
    "docker": "Fovea, docker compose",
    "proxy_prefix": "Fovea, behind a proxy (FOVEA_ROOT_PATH=/fovea)",
}


def environment(name: str) -> dict[str, Any]:
    return {
        "name": _NAMES[name],
        "values": [
            {"key": "base_url", "value": ADDRESSES[name], "type": "default", "enabled": True},
            {"key": "token", "value": "", "type": "secret", "enabled": True},
            {"key": "management_token", "value": "", "type": "secret", "enabled": True},
        ],
        "_postman_variable_scope": "environment",
    }
