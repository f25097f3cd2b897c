"""The table of every network of the zoo against ONNX Runtime and against the framework it comes from."""

import numpy as np
import pytest

from tests import zoo
from tests.service.inspection.shapes.formulas import evaluated, stated
from tests.service.inspection.shapes.zoo_runs import NAMES, Runner, image_of, table
from tests.zoo.exporters.listing import listing

every_network = pytest.mark.parametrize("name", NAMES)


# --- the runtime


@every_network
def test_every_shape_is_the_one_the_runtime_computes_and_every_formula_evaluates_to_it(name: str) -> None:
    rows = table(name).layers
    arrays = Runner(name, [row.tensor for row in rows])(image_of(name))
    shapes = {tensor: array.shape for tensor, array in arrays.items()}
    assert {row.id: row.output_shape for row in rows} == {row.id: shapes[row.tensor] for row in rows}
    assert {row.id: result for row in rows for result in evaluated(row)} == {
        row.id: size for row in rows for size in stated(row)
    }
    last = arrays[rows[-1].tensor].astype(np.float64)
    assert np.isfinite(last).all()
    assert last.size == 1 or last.std() > 0  # the drawn weights let the signal through


@every_network
def test_the_formulas_state_the_sizes_of_the_row(name: str) -> None:
    for row in table(name).layers:
        sizes = stated(row)
        if row.kernel and row.output_shape:
            spatial = row.output_shape[2:]
            assert tuple(sizes) in (spatial, tuple(dict.fromkeys(spatial))), row.id


# --- the framework


def compared(facts: zoo.Facts) -> bool:
    return not any(each.get("not_compared") for each in facts["differences"])


@pytest.mark.parametrize("name", [name for name in NAMES if compared(zoo.facts()[name])])
def test_parameters_are_those_the_framework_counts_but_for_what_is_explained(name: str) -> None:
    facts = zoo.facts()[name]
    explained = sum(each["parameters"] for each in facts["differences"])
    assert table(name).totals.parameters == facts["trainable_parameters"] + explained


@pytest.mark.parametrize("name", [name for name in NAMES if zoo.facts()[name]["macs"] is not None])
def test_macs_are_those_the_framework_counts(name: str) -> None:
    facts = zoo.facts()[name]
    explained = sum(each.get("macs", 0) for each in facts["differences"])
    assert table(name).totals.macs == facts["macs"] + explained


@every_network
def test_the_outputs_have_the_shapes_that_the_framework_gave_them(name: str) -> None:
    by_tensor = {row.tensor: row.output_shape for row in table(name).layers}
    values = zoo.topology(name).graph.output
    for value, shape in zip(values, zoo.facts()[name]["output_shapes"], strict=True):
        # Behind an Identity or a Cast the output has another name than the layer that computes it.
        last = by_tensor.get(value.name, tuple(shape) if tuple(shape) in by_tensor.values() else None)
        assert last == tuple(shape)


def test_resnet18_has_the_published_macs() -> None:
    assert table("resnet18").totals.macs == table("resnet18_unfolded").totals.macs == 1_814_073_344
    assert zoo.facts()["resnet18"]["macs"] == 1_814_073_344


# --- the list


def test_the_zoo_is_wide() -> None:
    assert len(NAMES) >= 30
    assert sum(not compared(facts) for facts in zoo.facts().values()) <= 1
    assert len({facts["family"] for facts in zoo.facts().values()}) >= 12
    assert len({facts["exporter"].split()[0] for facts in zoo.facts().values()}) >= 5
    assert (zoo.FOLDER / "README.md").read_text() == listing()
    assert {path.name.removesuffix(".onnx.xz") for path in zoo.FOLDER.glob("*.xz")} == set(NAMES)
