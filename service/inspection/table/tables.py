"""The layer table for eyes: aligned text, Markdown and CSV.

Renders a `LayerShapes`; computes nothing and knows no file.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from textwrap import wrap

from service.errors import shown
from service.inspection.shapes.layer_table import LayerRow, LayerShapes, Number, ReceptiveFieldRow

COLUMNS = (
    "layer", "kind", "kernel", "stride", "pad", "output", "size", "parameters", "MACs", "memory", "receptive field",
)  # fmt: skip
_NOTE_WIDTH = 40  # about as wide as a sum, so that a note does not widen the table
RIGHT_ALIGNED = frozenset({"parameters", "MACs", "memory"})


def as_text(table: LayerShapes, title: str = "") -> str:
    """Aligned columns for a terminal, the totals and the conventions below; ends with a newline.

    Where the axes differ, each has its own line, and so has a note to a sum. Rows that only move the channels of a
    tensor are counted, not shown.
    """
    cells = [COLUMNS, *(line for row in _written(table) for line in _lines(row))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    lines = [_aligned(row, widths) for row in cells]
    return "\n".join(
        [_heading(table, title), "", lines[0], rule, *lines[1:], rule, *_totals(table), "", *table.conventions, ""]
    )


def as_markdown(table: LayerShapes, title: str = "") -> str:
    """The same columns as a Markdown table, numbers to the right, sums as code; ends with a newline."""
    marks = ["---:" if column in RIGHT_ALIGNED else "---" for column in COLUMNS]
    rows = [COLUMNS, marks, *(_marked(row) for row in _written(table))]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    notes = (f"- {_escaped(line)}" for line in (*_totals(table), *table.conventions))
    return "\n".join([_escaped(_heading(table, title)), "", *lines, "", *notes, ""])


def as_rows(table: LayerShapes) -> list[tuple[str, ...]]:
    """The cells below `COLUMNS`, for who lays them out himself; a cell holds all axes and notes."""
    return [_cells(row) for row in _written(table)]


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


def _written(table: LayerShapes) -> list[LayerRow]:
    """The rows that somebody wrote: an exporter's moving of channels is left out."""
    return [row for row in table.layers if row.stage != "layout"]


def _heading(table: LayerShapes, title: str) -> str:
    name = f"input {shown(table.input)}: {_times(table.input_shape)}" if table.input else "no input"
    return f"{title}, {name}" if title else name


def _totals(table: LayerShapes) -> list[str]:
    totals = table.totals
    lines = [
        f"{totals.parameters:,} parameters, {totals.dense_parameter_share:.1%} of them in dense layers",
        f"{totals.macs:,} MACs = {totals.flops:,} flops",
        f"{totals.activation_bytes:,} bytes = {_memory(totals.activation_bytes)} in all outputs together",
    ]
    if totals.unknown_layers:
        lines.append(f"{totals.unknown_layers} layers whose shape is not known are not in these sums")
    moved = len(table.layers) - len(_written(table))
    if moved:
        lines.append(f"{moved} rows that only move the channels are not shown: format=json and format=csv have them")
    return lines


def _cells(row: LayerRow) -> tuple[str, ...]:
    return (
        row.id,
        _kind(row),
        _times(row.kernel),
        _short(list(map(str, row.stride or ()))),
        _short([f"{begin}" if begin == end else f"{begin}+{end}" for begin, end in row.padding or ()]),
        _times(row.output_shape),
        row.reason or ", ".join(row.formula),
        _count(row.parameters),
        _count(row.macs),
        "?" if row.activation_bytes is None else _memory(row.activation_bytes),
        _seen(row.receptive_field),
    )


def _lines(row: LayerRow) -> list[tuple[str, ...]]:
    """The row, and below it what else there is to say about its size: other axes, notes."""
    first, *more = [part for each in row.formula for part in _parts(each)] or [""]
    cells = _cells(row.model_copy(update={"formula": (first,)}))
    return [cells, *(tuple(part if name == "size" else "" for name in COLUMNS) for part in more)]


def _parts(formula: str) -> list[str]:
    """The sum, and each note to it: behind a semicolon, or in brackets of its own."""
    first, *notes = re.split(r"; | (?=\()", formula)
    return [
        first,
        *(line for note in notes for line in wrap(note, _NOTE_WIDTH, initial_indent="  ", subsequent_indent="  ")),
    ]


def _marked(row: LayerRow) -> list[str]:
    """The cells in Markdown. Sums hold only numbers and operators: code needs no escapes, which nobody could read."""
    cells = dict(zip(COLUMNS, map(_escaped, _cells(row)), strict=True))
    if row.formula and not row.reason:
        cells["size"] = ", ".join(f"`{formula}`" for formula in row.formula)
    return list(cells.values())


def _kind(row: LayerRow) -> str:
    notes = [f"with {name}" for name in row.folded]
    if (row.groups or 1) > 1:
        notes.append(f"{row.groups} groups")
    if set(row.dilation or ()) - {1}:
        notes.append(f"dilation {_short(list(map(str, row.dilation or ())))}")
    if row.stage != "network":
        notes.append(row.stage)
    return ", ".join([row.kind, *notes])


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    columns = zip(COLUMNS, cells, widths, strict=True)
    return "  ".join(c.rjust(width) if name in RIGHT_ALIGNED else c.ljust(width) for name, c, width in columns).rstrip()


def _times(sizes: Iterable[Number | None] | None) -> str:
    return "" if sizes is None else "x".join("?" if size is None else f"{size}" for size in sizes)


def _short(per_axis: Sequence[str]) -> str:
    """One where all axes have the same: `2` for a stride of 2x2, `1+2` for one row more at the end."""
    return per_axis[0] if len(set(per_axis)) == 1 else "x".join(per_axis)


def _memory(size: int) -> str:
    for unit, step in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= step:
            return f"{size / step:,.1f} {unit}"
    return f"{size} B"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}" if number else ""


def _seen(field: ReceptiveFieldRow | None) -> str:
    if field is None:
        return "?"
    if field.status == "whole_image":
        return "whole image"
    step = f" every {_short(list(map(str, field.jump)))}" if field.jump else ""
    return f"{'at most ' if field.status == 'upper_bound' else ''}{_times(field.size)}{step}"


def _escaped(cell: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", cell)


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
