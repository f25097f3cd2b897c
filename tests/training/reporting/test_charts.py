"""Charts that stand inside a page: alone, in its colours, and the same every time."""

import re
from xml.dom import minidom

import matplotlib as mpl
import pytest
import torch

from service.engine.training_history import EpochRecord, TrainingHistory
from training.reporting.charts import curves, reliability, wilson
from training.reporting.measured import calibration


def history(epochs: int = 4, held_out: int = 10) -> TrainingHistory:
    records = tuple(
        EpochRecord(
            epoch=epoch,
            seconds=epoch,
            learning_rate=0.1 / epoch,
            loss=2 / epoch,
            accuracy=1 - 0.5 / epoch,
            validation_loss=3 / epoch,
            validation_accuracy=1 - 0.25 / epoch,
        )
        for epoch in range(1, epochs + 1)
    )
    return TrainingHistory(
        recipe={"epochs": str(epochs)},
        hardware="2 threads",
        seconds=epochs,
        training_images=100,
        validation_images=held_out,
        kept_epoch=epochs,
        epochs=records,
    )


def drawings() -> list[str]:
    found = calibration(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3, 1.0)
    return [chart.svg for chart in (*curves(history()), *reliability(found, found))]


def test_the_same_figures_give_the_same_bytes_whatever_the_process_has_set() -> None:
    first = drawings()
    with mpl.rc_context({"axes.titlecolor": "red", "font.size": 30}):
        assert drawings() == first
        assert mpl.rcParams["font.size"] == 30


def test_a_chart_is_xml_that_names_nothing_outside_and_no_style_of_the_whole_page() -> None:
    for svg in drawings():
        assert svg.startswith("<svg")
        minidom.parseString(svg)  # noqa: S318 - our own drawing
        assert not re.search(r"https?:|<style|<\?xml|<!DOCTYPE|font-family", svg)


def test_no_two_charts_of_a_page_share_an_id_and_every_reference_is_to_ones_own() -> None:
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in drawings()]
    assert sum(map(len, ids)) == len(set.union(*ids))
    for own, svg in zip(ids, drawings(), strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= own


def test_its_colours_are_the_pages() -> None:
    colours = {colour for svg in drawings() for colour in re.findall(r"(?:fill|stroke): ([^;\"]+)", svg)}
    assert colours == {"none", "currentColor", "var(--rule)", "var(--first)", "var(--second)"}


def test_words_say_what_a_chart_shows() -> None:
    loss, accuracy, rate = curves(history())
    assert loss.alt == "loss, nats over 4 epochs: training from 2 to 0.5; held out from 3 to 0.75."
    assert accuracy.alt == "accuracy over 4 epochs: training from 50.00% to 87.50%; held out from 75.00% to 93.75%."
    assert rate.alt == "learning rate over 4 epochs: learning rate from 0.1 to 0.025."


def test_without_held_out_images_there_is_one_line() -> None:
    assert "held out" not in curves(history(held_out=0))[0].alt


def test_one_epoch_can_be_drawn() -> None:
    assert curves(history(epochs=1))[0].alt == "loss, nats over 1 epoch: training is 2; held out is 3."


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 1) == pytest.approx((0.2065, 1.0), abs=1e-4)
