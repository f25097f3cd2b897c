"""What Postman checks after a request, as JavaScript: status, kind, fields, values."""

import json

from tests.postman.example import Example
from tests.postman.interface import Operation


def script(operation: Operation, example: Example) -> list[str]:
    """Lines. Where the service has it switched off, the answer has to say so."""
    lines = _answered(operation, example)
    if not example.off:
        return lines
    return [
        "if (pm.response.code === 403) {",
        *(f"    {line}" for line in _switched_off(operation, example)),
        "} else {",
        *(f"    {line}" for line in lines),
        "}",
    ]


def _answered(operation: Operation, example: Example) -> list[str]:
    kind = json.dumps(example.content_type)
    lines = [
        f'pm.test("status {example.status}", () => pm.response.to.have.status({example.status}));',
        f'pm.test({kind}, () => pm.expect(pm.response.headers.get("Content-Type")).to.include({kind}));',
    ]
    if "json" not in example.content_type:
        return [*lines, 'pm.test("not empty", () => pm.expect(pm.response.responseSize).to.be.above(0));']
    lines.append("const answer = pm.response.json();")
    if operation.required and example.status == 200:
        fields = json.dumps(list(operation.required))
        lines.append(f'pm.test("required fields", () => pm.expect(answer).to.include.all.keys({fields}));')
    return [*lines, *(_holds(place, value) for place, value in example.holds.items())]


def _holds(place: str, value: object) -> str:
    where = f"answer{place}" if place.startswith("[") else f"answer.{place}"
    expected = json.dumps(value)
    return f"pm.test({json.dumps(f'{place} is {expected}')}, () => pm.expect({where}).to.eql({expected}));"


def _switched_off(operation: Operation, example: Example) -> list[str]:
    if operation.path.startswith("/v2"):
        return ['pm.test("switched off", () => pm.expect(pm.response.json().error).to.be.a("string"));']
    code = json.dumps(example.off)
    return [f'pm.test("switched off", () => pm.expect(pm.response.json().code).to.eql({code}));']
