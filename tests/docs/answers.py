"""Whether what a command gave is what its page says. Knows no page and runs nothing.

`...` stands for any text. A number with a decimal point is rounded: it stands for every number within one unit of its
last digit. How much white space there is does not count, and in JSON none need be. All else is exact.
"""

import re

_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_PIECE = re.compile(
    r"(?P<any>\.\.\.)"
    r"|(?P<decimal>(?<![\w.])-?\d+\.\d+(?:[eE][-+]?\d+)?(?!\w|\.\d))"
    r"|(?P<line>\s*\n\s*)"
    r"|(?P<space>\s+)"
    r"|(?P<bracket>[][{}:,])"
    r"|(?P<other>.)"
)
_TEXT = {"any": "(?s:.*?)", "decimal": f"({_NUMBER})", "line": r"\s*\n\s*", "space": r"\s+"}
_JSON = _TEXT | {"line": r"\s*", "space": r"\s*"}


def fits(printed: str, found: str, *, json: bool = False) -> bool:
    """`printed` is the page's; `found` is what the command gave."""
    pieces = list(_PIECE.finditer(printed.strip()))
    match = re.fullmatch("".join(_pattern(piece, json=json) for piece in pieces), found.strip())
    decimals = [piece[0] for piece in pieces if piece.lastgroup == "decimal"]
    return match is not None and all(_near(one, other) for one, other in zip(decimals, match.groups(), strict=True))


def _pattern(piece: re.Match[str], *, json: bool) -> str:
    literal = re.escape(piece[0])
    if json and piece.lastgroup == "bracket":
        return rf"\s*{literal}\s*"
    return (_JSON if json else _TEXT).get(piece.lastgroup or "", literal)


def _near(printed: str, found: str) -> bool:
    mantissa, _, exponent = printed.lower().partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(printed) - float(found)) <= unit * (1 + 1e-9)
