"""A CSV of pictures: its columns and parts, and one line for each thing that is wrong."""

from pathlib import Path

import pytest

from tests.training.datasets.written import image_bytes, write
from training.datasets import Dataset, load
from training.datasets.table import listed
from training.errors import InvalidDataError, MissingDataError, UnfitLabelsError, UnreadableImagesError


def listing(folder: Path, text: str, name: str = "pets.csv") -> Path:
    return write(folder / name, text.encode())


def loaded(place: Path) -> Dataset:
    return load("csv", place, (8, 8, 3))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "deep/3.png"):
        write(tmp_path / name)
    write(tmp_path / "4.jpg", image_bytes("blue", "JPEG"))
    return tmp_path


THREE_PARTS = "path,label,split\n1.png,cat,train\n2.png,dog,Train\ndeep/3.png,cat,valid\n4.jpg,dog,test\n"


def test_the_lines_say_which_picture_is_of_which_class_and_part(pictures: Path) -> None:
    listing(pictures, THREE_PARTS)
    found = loaded(pictures)
    assert found.class_names == ("cat", "dog")
    assert found.validation is not None
    assert [part.labels.tolist() for part in (found.training, found.validation, found.test)] == [[0, 1], [0], [1]]
    assert int(found.test.images[0, 4, 4, 2]) > 250  # blue
    assert found.description == "pets test set"


def test_without_test_images_val_is_the_test_part(pictures: Path) -> None:
    listing(pictures, THREE_PARTS.replace("test", "val"))
    found = loaded(pictures)
    assert (found.validation, found.test.labels.tolist(), found.description) == (None, [0, 1], "pets val set")


def test_without_a_split_every_fifth_of_a_class_is_the_test_part(tmp_path: Path) -> None:
    lines = "\n".join(f"{number}.png,{'even' if number % 2 == 0 else 'odd'}" for number in range(10))
    found = listed(listing(tmp_path, f"path,label\n{lines}\n"))
    assert [picture.path.stem for picture in found.test] == ["4", "5"]
    assert len(found.training) == 8


def test_columns_in_any_order_others_a_byte_order_mark_and_spaces_change_nothing(pictures: Path) -> None:
    text = "\ufefflabel,taken,split,path\n cat,2024,train, 1.png\ndog ,2023,train,2.png\ncat,,test,4.jpg\n"
    assert loaded(listing(pictures, text)).training.labels.tolist() == [0, 1]


def test_a_picture_may_have_any_ending(pictures: Path) -> None:
    (pictures / "1.png").rename(pictures / "1")
    assert len(loaded(listing(pictures, THREE_PARTS.replace("1.png", "1"))).training) == 2


def test_a_picture_that_is_not_there_is_unreadable(pictures: Path) -> None:
    (pictures / "2.png").unlink()
    with pytest.raises(UnreadableImagesError) as caught:
        loaded(listing(pictures, THREE_PARTS))
    assert str(caught.value) == (
        "1 of 4 images cannot be read, the first: 2.png: No such file or directory; "
        "repair or remove them, or leave them out: --skip-unreadable"
    )


def test_a_folder_without_a_csv_says_what_lacks(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=rf"{tmp_path} lacks a CSV file of path,label; put these files there"):
        loaded(tmp_path)


def test_of_two_csv_files_one_is_to_be_given(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        listing(tmp_path, THREE_PARTS, name)
    with pytest.raises(InvalidDataError) as caught:
        loaded(tmp_path)
    assert str(caught.value) == f"{tmp_path} has 2 CSV files: a.csv, b.csv ...; give one: --data {tmp_path}/a.csv"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no column path in its first line; that line is path,label or path,label,split"),
        ("1.png,cat\n", "has no column path in its first line; that line is path,label or path,label,split"),
        ("path;label\n1.png;cat\n", "has no column path in its first line; "),
        ("path,label,label\n1.png,cat,dog\n", "has no column label in its first line; "),
        ("path,label\n1.png,\n", "line 2 has no label; fill it in or remove the line"),
        ("path,label\n1.png\n", "line 2 has no label; fill it in or remove the line"),
        ("path,label\n1.png,cat\n,dog\n", "line 3 has no path; fill it in or remove the line"),
        ("path,label\n1.png,cat\n2.png,dog\n./1.png,dog\n", "line 4 lists './1.png' again, after line 2; remove one"),
        ("path,label\n/etc/1.png,cat\n", "line 2 has path '/etc/1.png'; paths are relative to the CSV file and stay"),
        ("path,label\na/../../1.png,cat\n", "line 2 has path 'a/../../1.png'; paths are relative to the CSV file"),
        ("path,label,split\n1.png,cat,\n", "line 2 has split ''; a split is train, val or test"),
        ("path,label,split\n1.png,cat,dev\n", "line 2 has split 'dev'; a split is train, val or test"),
        (
            "path,label,split\n1.png,cat,train\n2.png,dog,train\n",
            "has no line whose split is val; list some, or leave the column out",
        ),
        (
            "path,label,split\n1.png,cat,test\n2.png,dog,test\n",
            "has no line whose split is train; list some, or leave the column out",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    file = listing(tmp_path, text)
    with pytest.raises(InvalidDataError) as caught:
        loaded(tmp_path)
    assert str(caught.value).startswith(f"{file} {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path,label\n", "pets.csv has no class; a classifier needs the images of at least two"),
        ("path,label\n1.png,cat\n", "pets.csv has one class only: 'cat'; a classifier needs"),
        ("path,label\n1.png,cat\n2.png,dog\n", "class 'cat' in .*pets.csv has too few images: 1; to set some aside"),
        (
            "path,label,split\n1.png,cat,train\n2.png,dog,val\n",
            "class 'dog' has no image to train on; add some, or remove the class",
        ),
    ],
)
def test_labels_that_cannot_be_learned_are_named(pictures: Path, text: str, sentence: str) -> None:
    listing(pictures, text)
    with pytest.raises(UnfitLabelsError, match=sentence):
        loaded(pictures)


@pytest.mark.parametrize("content", [b"path,label\n1.png,caf\xe9\n", b'path,label\n1.png,"' + b"x" * 140_000 + b'"\n'])
def test_bytes_that_are_no_csv_are_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "pets.csv", content)
    with pytest.raises(InvalidDataError, match=r"pets\.csv is no CSV file in UTF-8 \(.*\); save it as one"):
        loaded(tmp_path)
