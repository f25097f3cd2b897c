"""api.md says what the OpenAPI document says, of every endpoint."""

import json

from tests.docs.reference import OPENAPI, PAGE, written

DOCUMENT = json.loads(OPENAPI.read_text())


def test_the_page_is_what_is_written_from_the_document() -> None:
    assert PAGE.read_text() == written(DOCUMENT), "write it anew: python -m tests.docs.reference"


def test_it_has_a_section_for_every_endpoint_and_names_its_versioned_form() -> None:
    page = PAGE.read_text()
    for path, operations in DOCUMENT["paths"].items():
        for method in operations:
            assert f"\n## {method.upper()} {path}\n" in page or f"`{method.upper()} {path}`" in page


def test_it_has_a_row_for_every_parameter_and_every_object() -> None:
    page = PAGE.read_text()
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                assert f"\n| `{parameter['name']}` |" in page
    for name in DOCUMENT["components"]["schemas"]:
        assert f"\n## {name}\n" in page
