"""A folder of pictures: its parts and classes, what counts as a picture, and one line for each thing that is wrong."""

import os
from pathlib import Path

import pytest
import torch

from tests.training.datasets.written import image_bytes, write, write_class
from training.datasets import Dataset, load
from training.datasets.folder import listed
from training.errors import InvalidDataError, MissingDataError, UnfitLabelsError

DATA = Path(os.environ.get("FOVEA_DATA", Path(__file__).parents[4] / "shared" / "data"))
ANTS_BEES = DATA / "ants-bees"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """train/ with three cats and two dogs, val/ with one of each."""
    for part, cats, dogs in (("train", 3, 2), ("val", 1, 1)):
        write_class(tmp_path / "pets" / part / "cat", cats, "red")
        write_class(tmp_path / "pets" / part / "dog", dogs, "blue")
    return tmp_path / "pets"


def loaded(place: Path) -> Dataset:
    return load("folder", place, (8, 8, 3))


def test_train_and_val_become_training_and_test(pets: Path) -> None:
    found = loaded(pets)
    assert found.class_names == ("cat", "dog")
    assert found.training.labels.tolist() == [0, 0, 0, 1, 1]
    assert found.training.images[:, 4, 4].tolist() == [[255, 0, 0]] * 3 + [[0, 0, 255]] * 2
    assert (found.test.labels.tolist(), found.validation) == ([0, 1], None)
    assert found.description == "pets val set"


def test_where_there_is_a_test_part_val_is_what_the_epoch_is_chosen_by(pets: Path) -> None:
    write_class(pets / "test" / "dog", 2)
    found = loaded(pets)
    assert found.validation is not None
    assert (found.validation.labels.tolist(), found.test.labels.tolist()) == ([0, 1], [1, 1])
    assert found.description == "pets test set"


def test_train_and_test_alone_leave_the_choice_to_the_recipe(pets: Path) -> None:
    (pets / "val").rename(pets / "test")
    assert (loaded(pets).validation, loaded(pets).description) == (None, "pets test set")


def test_of_class_folders_alone_every_fifth_image_is_the_test_part(tmp_path: Path) -> None:
    for name, count in (("a", 10), ("b", 5), ("c", 3)):
        write_class(tmp_path / "letters" / name, count)
    listing = listed(tmp_path / "letters")
    assert [(picture.label, picture.path.stem) for picture in listing.test] == [(0, "2"), (0, "7"), (1, "2"), (2, "2")]
    assert len(listing.training) == 14
    assert listing.description == "letters, held-out stratified 20 %"


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("bus", "train"):
        write_class(tmp_path / name, 3)
    assert loaded(tmp_path).class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("10", "9", "1"), ("1", "9", "10")),
        (("10", "9", "a"), ("10", "9", "a")),
        (("b", "A", "a", "B"), ("A", "B", "a", "b")),
        (("01", "1", "0"), ("0", "01", "1")),
        (("é", "z", "ß"), ("z", "ß", "é")),
    ],
)
def test_classes_come_by_code_point_or_by_value_where_all_are_numbers(
    tmp_path: Path, names: tuple[str, ...], order: tuple[str, ...]
) -> None:
    for name in names:
        write_class(tmp_path / name, 3)
    assert listed(tmp_path).class_names == order


def test_pictures_are_found_by_their_ending_in_capitals_or_not_at_any_depth(pets: Path) -> None:
    write(pets / "train" / "cat" / "more" / "even" / "4.JPEG", image_bytes("red", "JPEG"))
    write(pets / "train" / "cat" / "5.Gif", image_bytes("red", "GIF"))
    assert loaded(pets).training.labels.tolist() == [0] * 5 + [1] * 2


def test_hidden_files_are_nothing_and_others_are_left_alone_and_counted(pets: Path) -> None:
    for name in (".DS_Store", ".hidden.png", ".thumbnails/1.png"):
        write(pets / "train" / "cat" / name, b"")
    for name in ("Thumbs.db", "notes.txt", "labels.csv", "README"):
        write(pets / "train" / "dog" / name, b"words")
    found = loaded(pets)
    assert len(found.training) == 5
    assert found.notes == (
        "left alone, by their names no images: train/dog/README, train/dog/Thumbs.db, train/dog/labels.csv and 1 more",
    )


def test_links_are_followed_but_not_in_circles(pets: Path) -> None:
    cats = pets / "train" / "cat"
    (cats / "again").symlink_to(cats)
    (cats / "all").symlink_to(pets)
    elsewhere = write_class(pets.parent / "elsewhere", 2)
    (pets / "train" / "cow").symlink_to(elsewhere)
    listing = listed(pets)
    assert listing.class_names == ("cat", "cow", "dog")
    assert sum(picture.label == 1 for picture in listing.training) == 2
    assert len({picture.path.resolve() for picture in listing.training}) < 20


def test_files_of_one_name_in_two_classes_are_two_images(pets: Path) -> None:
    assert {"cat/0.png", "dog/0.png"} <= {
        picture.path.relative_to(pets / "train").as_posix() for picture in listed(pets).training
    }


def test_a_grey_network_gets_grey_pictures(pets: Path) -> None:
    assert load("folder", pets, (8, 6, 1)).training.images.shape == (5, 8, 6, 1)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=rf"{tmp_path}/nowhere lacks images in one folder per class; put these"):
        loaded(tmp_path / "nowhere")


def test_a_folder_without_folders_says_how_to_lay_it_out(tmp_path: Path) -> None:
    write(tmp_path / "1.png")
    with pytest.raises(InvalidDataError) as caught:
        loaded(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} has no folder in it; put the images in train/<class>/ and val/<class>/, or in <class>/ alone"
    )


def test_train_without_anything_to_test_on_says_what_would_do(pets: Path) -> None:
    (pets / "val").rename(pets.parent / "val")
    with pytest.raises(InvalidDataError) as caught:
        loaded(pets)
    assert str(caught.value) == (
        f"{pets} has train/ and neither val/ nor test/; add one, or give {pets}/train: a fifth is then the test part"
    )


def test_a_class_that_only_val_has_is_named(pets: Path) -> None:
    write_class(pets / "val" / "cow", 1)
    with pytest.raises(InvalidDataError) as caught:
        loaded(pets)
    assert str(caught.value) == (f"{pets}/val/cow is a class that train/ lacks; add images to train on, or remove it")


def test_a_class_that_val_lacks_is_no_error(pets: Path) -> None:
    (pets / "val" / "dog").rename(pets.parent / "dog")
    assert loaded(pets).test.labels.tolist() == [0]


def test_an_empty_class_is_named(pets: Path) -> None:
    (pets / "train" / "cow").mkdir()
    with pytest.raises(UnfitLabelsError) as caught:
        loaded(pets)
    assert str(caught.value) == "class 'cow' has no image to train on; add some, or remove the class"


def test_folders_without_a_picture_say_what_one_is(pets: Path) -> None:
    for file in (pets / "val").rglob("*.png"):
        file.rename(file.with_suffix(".data"))
    with pytest.raises(InvalidDataError, match=r"val has no image in its class folders; images end in \.jpg, \.png"):
        loaded(pets)


def test_one_class_is_too_few(pets: Path) -> None:
    (pets / "train" / "dog").rename(pets.parent / "dog")
    with pytest.raises(UnfitLabelsError) as caught:
        loaded(pets)
    assert str(caught.value) == (
        f"{pets}/train has one class only: 'cat'; a classifier needs the images of at least two"
    )


def test_a_class_too_small_to_be_split_is_named(tmp_path: Path) -> None:
    write_class(tmp_path / "cat", 9)
    write_class(tmp_path / "dog", 2)
    with pytest.raises(UnfitLabelsError) as caught:
        loaded(tmp_path)
    assert str(caught.value) == (
        f"class 'dog' in {tmp_path} has too few images: 2; to set some aside for the test, it needs at least 3"
    )


def test_a_class_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write_class(tmp_path / "cat", 3)
    write_class(tmp_path / os.fsdecode(b"d\xffg"), 3)
    with pytest.raises(InvalidDataError, match=r"has a class whose name .* cannot be shown; rename it"):
        loaded(tmp_path)


@pytest.mark.skipif(not ANTS_BEES.is_dir(), reason=f"needs {ANTS_BEES} (FOVEA_DATA names the folder above)")
def test_the_real_ants_and_bees_are_read_with_the_stray_gif_among_them() -> None:
    found = load("folder", ANTS_BEES, (64, 64, 3))
    assert torch.bincount(found.training.labels).tolist() == [124, 121]
    assert torch.bincount(found.test.labels).tolist() == [70, 83]
    assert (found.class_names, found.skipped, found.notes) == (("ants", "bees"), (), ())
