"""The names a layer goes by: one stable id that fits into a URL, and aliases.

Knows names only; which an exporter left is `service.inspection.graph.exporter_names`.
"""

import re
from collections.abc import Iterable, Sequence

_MAX_LENGTH = 200
# A block is called after its layers, else after where its branches meet.
_JOINING = frozenset({"add", "concat"})
_ARITHMETIC = frozenset(
    {
        "mul",
        "sub",
        "div",
        "pow",
        "sqrt",
        "cast",
        "transpose",
        "reshape",
        "flatten",
        "expand",
        "slice",
        "split",
        "gather",
    }
    | {"pad", "tile", "where", "if", "clip", "reduce_mean", "reduce_sum", "reduce_l2", "reduce_max"}
)


def url_safe(name: str) -> str | None:
    """`name` in the letters [A-Za-z0-9._-], None where nothing is left to say; `.` and `..` would be URL steps."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", name[:_MAX_LENGTH])
    return cleaned if cleaned.strip("._-") else None


def unique_ids(candidates: Sequence[Sequence[str | None]], kinds: Sequence[str]) -> list[str]:
    """One id per layer: its first name that is not None. Of a name met again the kind is added, else `-2`, `-3`, ...

    Each layer brings its names in order of trust, the last one never None. A more trusted kind of name is given out
    before a less trusted one, so a counted name never takes a manifest's; and the name of a block goes to a layer that
    computes something before one that only moves numbers. Time grows with the number of layers.
    """
    chosen = [next((rank, name) for rank, name in enumerate(names) if name) for names in candidates]
    taken: dict[str, int] = {}
    owners: dict[str, str] = {}
    ids = [""] * len(chosen)
    for layer in sorted(range(len(chosen)), key=lambda index: (chosen[index][0], _modesty(kinds[index]))):
        name, kind = chosen[layer][1], kinds[layer]
        if owners.setdefault(name, kind) != kind:
            name = f"{name}.{kind}"
        ids[layer] = _free(name, taken)
    return ids


def _modesty(kind: str) -> int:
    return 2 if kind in _ARITHMETIC else 1 if kind in _JOINING else 0


def unique_aliases(ids: Sequence[str], candidates: Sequence[Sequence[str | None]]) -> list[tuple[str, ...]]:
    """Every other name of each layer, unless it is some layer's id or already an earlier layer's alias."""
    taken = set(ids)
    return [tuple(_claimed(names, taken)) for names in candidates]


def _claimed(names: Iterable[str | None], taken: set[str]) -> Iterable[str]:
    for name in names:
        if name and name not in taken:
            taken.add(name)
            yield name


def _free(name: str, taken: dict[str, int]) -> str:
    candidate = name
    while candidate in taken:
        taken[name] += 1
        candidate = f"{name}-{taken[name]}"
    taken[candidate] = 1
    return candidate
