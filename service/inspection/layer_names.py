"""The names a layer goes by: one stable id that fits into a URL, and aliases.

Knows single nodes and names; what a layer is, `service.inspection.graph` decides.
"""

import ast
import re
from collections.abc import Iterable, Sequence

import onnx

_SCOPES_KEY = "pkg.torch.onnx.name_scopes"  # torch.onnx 2.9 and later: repr of ['', 'layer1', 'layer1.0', <fx node>]
_MAX_LENGTH = 200
_MAX_SCOPES_LENGTH = 10_000


def url_safe(name: str) -> str | None:
    """`name` in the letters [A-Za-z0-9._-], None where nothing is left to say; `.` and `..` would be URL steps."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", name[:_MAX_LENGTH])
    return cleaned if cleaned.strip("._-") else None


def name_from_weight(initializer: str) -> str | None:
    """`layer1.0.conv1.weight` belongs to `layer1.0.conv1`. Quantisers append a suffix to the name."""
    module, dot, _ = initializer.removesuffix("_quantized").rpartition(".weight")
    return url_safe(module) if dot and initializer.removesuffix("_quantized").endswith(".weight") else None


def name_from_scopes(node: onnx.NodeProto) -> str | None:
    """The PyTorch module path that torch.onnx wrote into the node's metadata."""
    text = next((prop.value for prop in node.metadata_props if prop.key == _SCOPES_KEY), "")
    if not text or len(text) > _MAX_SCOPES_LENGTH:
        return None
    try:
        scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(scopes, list) or len(scopes) < 2 or not isinstance(scopes[-2], str):
        return None
    return None if scopes[-2].startswith("_empty_nn_module") else url_safe(scopes[-2])


def name_from_path(node: onnx.NodeProto) -> str | None:
    """The module path in the node names of torch's earlier exporter: `/layer1/layer1.0/conv1/Conv`."""
    parts = node.name.split("/")
    if len(parts) < 3 or parts[0] or not re.fullmatch(rf"{re.escape(node.op_type)}(_\d+)?", parts[-1]):
        return None
    modules: list[str] = []
    for part in parts[1:-1]:
        if modules and part.startswith(modules[-1] + "."):
            modules[-1] = part
        else:
            modules.append(part)
    return url_safe(".".join(modules))


def unique_ids(candidates: Sequence[Sequence[str | None]]) -> list[str]:
    """One id per layer: its first name that is not None. A name met again gets `-2`, `-3`, ...

    Each layer brings its names in order of trust, the last one never None. A more trusted kind of name is given out
    before a less trusted one, so a counted name never takes a manifest's. Time grows with the number of layers.
    """
    chosen = [next((rank, name) for rank, name in enumerate(names) if name) for names in candidates]
    taken: dict[str, int] = {}
    ids = [""] * len(chosen)
    for layer in sorted(range(len(chosen)), key=lambda index: chosen[index][0]):
        ids[layer] = _free(chosen[layer][1], taken)
    return ids


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
