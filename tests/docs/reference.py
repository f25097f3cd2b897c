"""docs/api.md, written from the golden OpenAPI document; `python -m tests.docs.reference` writes it anew."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "tests" / "golden" / "openapi.json"
PAGE = ROOT / "docs" / "api.md"

_OPENING = """\
# API reference

Written from the service's own OpenAPI document by `python -m tests.docs.reference`; a test holds the two together.
The same, to try out, stands at http://127.0.0.1:8000/docs while the service runs, the document itself at
`/openapi.json`. What to type: [curl.md](curl.md). `/v2` follows [its own specification](protocol-v2.md).

Where a path may name a version, `/versions/{version}` behind `{model}`, the section says so. Without it the default
version answers. Every error is `application/problem+json`, a [Problem](#problem). What is no proper request is refused
by the connection with 400, 408, 413, 414, 431 or 503, whatever the endpoint
([decision 18](decisions/0018-connections.md))."""
_VERSIONED = "/versions/{version}"

Schema = Mapping[str, Any]


def main() -> None:
    PAGE.write_text(written(json.loads(OPENAPI.read_text())))


def written(document: Schema) -> str:
    """The whole page."""
    lines = [_OPENING, "", *_contents(document)]
    for path, method, operation in endpoints(document):
        lines += ["", *_section(document, path, method, operation)]
    lines += ["", "# Objects", "", "What JSON answers and bodies are made of."]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += ["", *_object(name, schema)]
    return "\n".join(lines) + "\n"


def endpoints(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Each once: a path that only names the version besides is the same endpoint."""
    paths = document["paths"]
    for path, operations in paths.items():
        if path.replace(_VERSIONED, "") not in paths or _VERSIONED not in path:
            yield from ((path, method.upper(), operation) for method, operation in operations.items())


def _contents(document: Schema) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    for path, method, operation in endpoints(document):
        yield f"| [`{method} {path}`](#{anchor(f'{method} {path}')}) | {operation['summary']} |"


def _section(document: Schema, path: str, method: str, operation: Schema) -> Iterator[str]:
    yield f"## {method} {path}"
    yield ""
    yield f"{operation['summary']}. {_one_line(operation.get('description', ''))}".rstrip()
    versioned = path.replace("{model}", "{model}" + _VERSIONED)
    if versioned != path and versioned in document["paths"]:
        yield ""
        yield f"Of one version: `{method} {versioned}`."
    yield from _parameters(operation.get("parameters", ()))
    yield from _body(operation.get("requestBody"))
    yield ""
    yield "| status | answer |"
    yield "|---|---|"
    for status, response in sorted(operation["responses"].items()):
        yield f"| {status} | {_answer(response)} |"


def _parameters(parameters: list[Schema]) -> Iterator[str]:
    if parameters:
        yield ""
        yield "| parameter | | default | |"
        yield "|---|---|---|---|"
    for one in parameters:
        schema = one["schema"]
        default = "required" if one.get("required") else _default(schema)
        yield f"| `{one['name']}` | {_kind(schema)} | {default} | {_cell(one.get('description', ''))} |"


def _body(body: Schema | None) -> Iterator[str]:
    if body:
        yield ""
        yield f"Body: {', '.join(_content(kind, content) for kind, content in body['content'].items())}."


def _answer(response: Schema) -> str:
    contents = [_content(kind, content) for kind, content in response.get("content", {}).items()]
    problem = all("problem+json" in content for content in contents)
    described = "" if response["description"] == "Successful Response" else _cell(response["description"])
    return described if problem and described else ": ".join(filter(None, [described, ", ".join(contents)]))


def _content(kind: str, content: Schema) -> str:
    schema = content.get("schema", {})
    return f"`{kind}` ({_kind(schema)})" if "$ref" in schema else f"`{kind}`"


def _object(name: str, schema: Schema) -> Iterator[str]:
    yield f"## {name}"
    if description := schema.get("description"):
        yield ""
        yield _one_line(description)
    if fields := schema.get("properties"):
        yield ""
        yield "| field | | |"
        yield "|---|---|---|"
        for field, of in fields.items():
            yield f"| `{field}` | {_kind(of)} | {_cell(of.get('description', ''))} |"


def _kind(schema: Schema) -> str:
    """A type as a person says it: `integer from 1 to 64`, `list of [Prediction](#prediction)`, `one of: json, png`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(_kind(one) for one in schema.get("anyOf") or schema["oneOf"])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{value}`" for value in values)
    return _plain(schema)


def _plain(schema: Schema) -> str:
    kind = schema.get("type", "any")
    if kind == "array" and "prefixItems" in schema:
        return "[" + ", ".join(_kind(one) for one in schema["prefixItems"]) + "]"
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "object" and isinstance(of := schema.get("additionalProperties"), dict):
        return f"object of {_kind(of)}"
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = (f" from {low:g}" if low is not None else "") + (f" to {high:g}" if high is not None else "")
    return f"{kind}{bounds}"


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default is None else f"`{json.dumps(default).strip(chr(34))}`"


def _one_line(text: str) -> str:
    return re.sub(r"[ ]*\n[ ]*", " ", re.sub(r"\n\n+", "\n", text)).strip()


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def anchor(heading: str) -> str:
    """As GitHub makes it: lower case, spaces as hyphens, no other signs."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    main()
