"""Rows I14, I15, I22: the collection of hostile images, file by file, and mutations of it."""

from itertools import islice

import httpx
import pytest

from benchmarks.mutations import mutations
from tests.hostile.conftest import COLOUR, GREY, code_of
from tests.hostile.corpus import IMAGES, expected, names, verdict
from tests.hostile.made_images import photograph, saved, scans
from tests.hostile.rows import row

ANSWERS = {200, 415, 422}
needs_collection = pytest.mark.skipif(not IMAGES.is_dir(), reason=f"needs hostile-images in {IMAGES} (FOVEA_DATA)")
quiet = pytest.mark.filterwarnings("ignore::UserWarning")  # what Pillow thinks of a file's resolution
KINDS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
SMALL = [*(saved(photograph(), kind) for kind in KINDS), saved(photograph(mode="RGBA"), "PNG"), scans(20)]


@needs_collection
@quiet
@pytest.mark.parametrize("path", [row("I22", "colour", COLOUR), row("I22", "grey", GREY)])
def test_every_collected_image_has_the_answer_that_was_written_down(client: httpx.Client, path: str) -> None:
    """expected.csv, written by `python -m tests.hostile.update`. Both networks see the same files as broken."""
    known, answers = expected(), {}
    for name in names():
        data = (IMAGES / name).read_bytes()
        status, code = code_of(client.post(path, content=data))
        answers[name] = (str(status), code or "")
        if not data:
            answers[name] = verdict(data)  # a body of no bytes holds no image; a file of no bytes is an empty one
    different = {name: (answers[name], known.get(name)) for name in answers if answers[name] != known.get(name)}
    assert len(answers) > 1000
    assert not different


@quiet
@pytest.mark.parametrize("seed", [row("I15", f"seed {seed}", seed) for seed in range(3)])
def test_mutations_of_ordinary_images_are_an_image_or_the_clients_error(client: httpx.Client, seed: int) -> None:
    """300 of them; `python -m benchmarks.hostile_images` sends 100,000 of the collection."""
    answers = {client.post(COLOUR, content=data).status_code for data in islice(mutations(SMALL, seed), 300)}
    assert answers <= ANSWERS
    assert len(answers) > 1


@needs_collection
@quiet
@pytest.mark.parametrize("seed", [row("I22", f"mutations, seed {seed}", seed) for seed in range(2)])
def test_mutations_of_the_collection_are_an_image_or_the_clients_error(client: httpx.Client, seed: int) -> None:
    files = [data for name in names() if len(data := (IMAGES / name).read_bytes()) < 100_000]
    answers = {client.post(COLOUR, content=data).status_code for data in islice(mutations(files, seed), 500)}
    assert answers <= ANSWERS


def test_mutations_are_the_same_for_the_same_seed() -> None:
    assert [*islice(mutations(SMALL, 7), 20)] == [*islice(mutations(SMALL, 7), 20)]
    assert [*islice(mutations(SMALL, 7), 20)] != [*islice(mutations(SMALL, 8), 20)]
