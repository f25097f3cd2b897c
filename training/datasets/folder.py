"""Pictures in one folder per class: train/<class>/*, val/<class>/* and test/<class>/*, or <class>/* alone.

A picture is a file whose name ends as one of Pillow's formats does, in capitals or not, at any depth below its class.
Hidden files are nothing; any other file is left alone and counted. A link to a folder is followed, but not in circles.
"""

from collections.abc import Iterator
from pathlib import Path

from training.datasets.dataset import Dataset
from training.datasets.listing import Listing, Pictures, held_out, in_class_order, read
from training.datasets.pictures import ENDINGS, Picture
from training.errors import InvalidDataError, MissingDataError
from training.networks.architecture import InputShape

TRAINING, TEST = "train", "test"
VALIDATION = ("val", "valid", "validation")
LAYOUT = "put the images in train/<class>/ and val/<class>/, or in <class>/ alone"
_SHOWN = 3


def folder(place: Path, input_shape: InputShape, *, skip_unreadable: bool = False) -> Dataset:
    """Without test/, val/ is the test part; with class folders only, every fifth image of each class.

    The order of the classes is that of `in_class_order`, of the images that of their paths.
    """
    return read(listed(place), input_shape, skip_unreadable=skip_unreadable)


def listed(place: Path) -> Listing:
    """What there is in the folder, not a byte of it read yet; raises InvalidDataError and UnfitLabelsError."""
    if not place.is_dir():
        raise MissingDataError(["images in one folder per class"], place)
    names = _folders(place)
    validation = next((name for name in VALIDATION if name in names), None)
    if TRAINING in names and (validation or TEST in names):
        return _by_parts(place, validation, TEST if TEST in names else None)
    if names == {TRAINING}:
        raise InvalidDataError(
            place,
            "has train/ and neither val/ nor test/",
            f"add one, or give {place / TRAINING}: a fifth is then the test part",
        )
    return _by_classes(place, names)


def _by_parts(place: Path, validation: str | None, test: str | None) -> Listing:
    class_names = in_class_order(_folders(place / TRAINING), place / TRAINING)
    names = [TRAINING, *filter(None, [validation, test])]
    parts = {name: _of_part(place / name, class_names) for name in names}
    tested = test or validation or ""
    return Listing(
        root=place,
        class_names=class_names,
        training=parts[TRAINING][0],
        test=parts[tested][0],
        description=f"{_name(place)} {tested} set",
        validation=parts[validation][0] if validation and test else None,
        notes=_left_alone(place, [path for _, others in parts.values() for path in others]),
    )


def _by_classes(place: Path, names: set[str]) -> Listing:
    if not names:
        raise InvalidDataError(place, "has no folder in it", LAYOUT)
    class_names = in_class_order(names, place)
    pictures, others = _of_part(place, class_names)
    training, test = held_out(place, class_names, pictures)
    description = f"{_name(place)}, held-out stratified 20 %"
    return Listing(place, class_names, training, test, description, notes=_left_alone(place, others))


def _of_part(place: Path, class_names: tuple[str, ...]) -> tuple[Pictures, list[Path]]:
    """The pictures of one part, class by class, and the files that are none. An empty class is an error of `read`."""
    unknown = sorted(_folders(place) - set(class_names))
    if unknown:
        raise InvalidDataError(
            place / unknown[0], f"is a class that {TRAINING}/ lacks", "add images to train on, or remove it"
        )
    pictures, others = [], [entry for entry in _entries(place) if not entry.is_dir()]
    for label, name in enumerate(class_names):
        for path in sorted(_files(place / name, set())):
            if path.suffix.lower() in ENDINGS:
                pictures.append(Picture(path, label))
            else:
                others.append(path)
    if not pictures:
        raise InvalidDataError(place, "has no image in its class folders", "images end in .jpg, .png and the like")
    return tuple(pictures), others


def _files(place: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Every file at any depth; a folder that links lead to a second time is passed over."""
    if not place.is_dir():
        return
    found = place.stat()
    if (found.st_dev, found.st_ino) in seen:
        return
    seen.add((found.st_dev, found.st_ino))
    for entry in _entries(place):
        if entry.is_dir():
            yield from _files(entry, seen)
        elif entry.is_file() or not entry.exists():  # a link to nothing is a picture that cannot be read
            yield entry


def _folders(place: Path) -> set[str]:
    return {entry.name for entry in _entries(place) if entry.is_dir()}


def _entries(place: Path) -> list[Path]:
    return sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))


def _name(place: Path) -> str:
    return place.resolve().name.encode("utf-8", "replace").decode()


def _left_alone(place: Path, others: list[Path]) -> tuple[str, ...]:
    if not others:
        return ()
    names = ", ".join(ascii(str(path.relative_to(place)))[1:-1] for path in others[:_SHOWN])
    more = f" and {len(others) - _SHOWN:,} more" if len(others) > _SHOWN else ""
    return (f"left alone, by their names no images: {names}{more}",)
