"""The layer table for eyes: aligned text, Markdown and CSV.

Renders a `LayerShapes`; computes nothing and knows no file.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from service.errors import shown
from service.inspection.layer_table import LayerRow, LayerShapes, Number, ReceptiveFieldRow

_COLUMNS = ("layer", "kind", "kernel", "stride", "padding", "output", "size", "parameters", "MACs", "receptive field")
_RIGHT = frozenset({"parameters", "MACs"})


def as_text(table: LayerShapes) -> str:
    """Aligned columns for a terminal, the totals and the conventions below; ends with a newline.

    Where the axes differ, each has its own line. Rows that only change the layout are counted, not shown.
    """
    cells = [_COLUMNS, *(line for row in _written(table) for line in _lines(row))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    lines = [_aligned(row, widths) for row in cells]
    return "\n".join(
        [_heading(table), "", lines[0], rule, *lines[1:], rule, *_totals(table), "", *table.conventions, ""]
    )


def as_markdown(table: LayerShapes) -> str:
    """The same columns as a Markdown table, numbers to the right; ends with a newline."""
    marks = ["---:" if column in _RIGHT else "---" for column in _COLUMNS]
    rows = [_COLUMNS, marks, *(_cells(row) for row in _written(table))]
    lines = [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(
        [_heading(table), "", *lines, "", *(f"- {line}" for line in (*_totals(table), *table.conventions)), ""]
    )


def as_csv(table: LayerShapes) -> str:
    """Every field of every row, one column each, for spreadsheets (RFC 4180); lists as `2x2`, texts split by `; `."""
    out = io.StringIO()
    fields = [name for name in LayerRow.model_fields if name != "receptive_field"]
    seen = [f"receptive_field_{name}" for name in ReceptiveFieldRow.model_fields]
    writer = csv.writer(out)
    writer.writerow([*fields, *seen])
    for row in table.layers:
        field = row.receptive_field
        values = [getattr(row, name) for name in fields]
        values += [getattr(field, name) if field else None for name in ReceptiveFieldRow.model_fields]
        writer.writerow([_plain(value) for value in values])
    return out.getvalue()


def _heading(table: LayerShapes) -> str:
    return f"input {shown(table.input)}: {_times(table.input_shape)}" if table.input else "no input"


def _written(table: LayerShapes) -> list[LayerRow]:
    """The rows that somebody wrote."""
    return [row for row in table.layers if row.stage != "layout"]


def _totals(table: LayerShapes) -> list[str]:
    totals = table.totals
    lines = [
        f"{totals.parameters:,} parameters, {totals.dense_parameter_share:.1%} of them in dense layers",
        f"{totals.macs:,} MACs = {totals.flops:,} flops",
        f"{totals.activation_bytes:,} bytes in all outputs together",
    ]
    moved = len(table.layers) - len(_written(table))
    if moved:
        lines.append(f"{moved} rows that only move the channels between first and last are not shown")
    unknown = f"{totals.unknown_layers} layers whose shape is not known are not in these sums"
    return [*lines, unknown] if totals.unknown_layers else lines


def _cells(row: LayerRow) -> tuple[str, ...]:
    return (
        row.id,
        _kind(row),
        _times(row.kernel),
        _times(row.stride),
        _padding(row.padding),
        _times(row.output_shape),
        row.reason or ", ".join(row.formula),
        _count(row.parameters),
        _count(row.macs),
        _seen(row.receptive_field),
    )


def _lines(row: LayerRow) -> list[tuple[str, ...]]:
    if len(row.formula) < 2:
        return [_cells(row)]
    first = _cells(row.model_copy(update={"formula": row.formula[:1]}))
    return [first, *(tuple(more if name == "size" else "" for name in _COLUMNS) for more in row.formula[1:])]


def _kind(row: LayerRow) -> str:
    if row.stage != "network":
        return f"{row.kind} ({row.stage})"
    groups = f", {row.groups} groups" if (row.groups or 1) > 1 else ""
    folded = f", with {' and '.join(row.folded)}" if row.folded else ""
    return f"{row.kind}{groups}{folded}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    columns = zip(_COLUMNS, cells, widths, strict=True)
    return "  ".join(c.rjust(width) if name in _RIGHT else c.ljust(width) for name, c, width in columns).rstrip()


def _times(sizes: Iterable[Number | None] | None) -> str:
    return "" if sizes is None else "x".join("?" if size is None else f"{size}" for size in sizes)


def _padding(padding: Sequence[tuple[int, int]] | None) -> str:
    """`2x2` where both sides of each axis are equal, else `1+2x1+2`."""
    sides = [str(begin) if begin == end else f"{begin}+{end}" for begin, end in padding or ()]
    return "x".join(sides)


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}" if number else ""


def _seen(field: ReceptiveFieldRow | None) -> str:
    if field is None:
        return "?"
    if field.status == "whole_image":
        return "whole image"
    step = f" every {_times(field.jump)}" if field.jump else ""
    return f"{'at most ' if field.status == 'upper_bound' else ''}{_times(field.size)}{step}"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _inert(value)
    if not isinstance(value, tuple):
        return str(value)
    if any(isinstance(part, str) for part in value):
        return _inert("; ".join(map(str, value)))
    return "x".join("+".join(map(str, part)) if isinstance(part, tuple) else _times([part]) for part in value)


def _inert(text: str) -> str:
    """Names come from the file: a spreadsheet would run one that begins like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
