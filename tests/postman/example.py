"""One request of the collection, what it is called and what its answer has to hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SEVEN = "docs/samples/seven.png"
JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Body:
    """`text` is sent as it is; `file` is a path from the repository's root, sent raw or as a multipart field."""

    kind: Literal["text", "raw", "multipart"]
    text: str = ""
    file: str = ""
    content_type: str = JSON


PICTURE = Body("text", '{"images": ["{{seven}}"]}')


@dataclass(frozen=True)
class Example:
    """`holds`: values in the JSON answer, by where JavaScript finds them. `off`: the code of the 403 that comes instead
    where the service does not have this switched on."""

    operation: str
    name: str
    path: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    body: Body | None = None
    status: int = 200
    content_type: str = JSON
    holds: Mapping[str, object] = field(default_factory=dict)
    off: str = ""
    token: str = "{{management_token}}"  # noqa: S105 - the name of a variable
