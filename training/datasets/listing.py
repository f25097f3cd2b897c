"""Which pictures are of which part and class, and the data set that becomes of them. Knows no layout of folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from service.errors import shown
from service.images.preprocessing import Preprocessing
from training.datasets.dataset import Dataset, Examples, held_out_mask
from training.datasets.memory import exceeds_memory, room
from training.datasets.pictures import Picture, decoded
from training.errors import InvalidDataError, UnfitLabelsError, UnreadableImagesError
from training.networks.architecture import InputShape

HELD_OUT_EVERY = 5
FEWEST_TO_SPLIT = HELD_OUT_EVERY // 2 + 1  # `held_out_mask` takes the middle one of each five

Pictures = tuple[Picture, ...]


@dataclass(frozen=True)
class Listing:
    """`description` and `notes` are the data set's. `root` is left out of the names of files in messages."""

    root: Path
    class_names: tuple[str, ...]
    training: Pictures
    test: Pictures
    description: str
    validation: Pictures | None = None
    notes: tuple[str, ...] = ()


def read(
    listing: Listing, input_shape: InputShape, *, skip_unreadable: bool, memory_bytes: int | None = None
) -> Dataset:
    """Every picture scaled so that its short side fits, its middle cut out, in colour if `input_shape` has 3 channels.

    Pixels of more than `memory_bytes` (default: half of the memory that is free) go to a temporary file. Raises
    UnreadableImagesError, unless these are skipped, and UnfitLabelsError where a class has nothing to train on.
    """
    height, width, channels = input_shape
    preprocessing = Preprocessing(
        height=height, width=width, color="gray" if channels == 1 else "rgb", resize="crop", dtype="uint8"
    )
    parts = [listing.training, listing.test, *filter(None, [listing.validation])]
    size = sum(map(len, parts)) * height * width * channels
    in_file = exceeds_memory(size) if memory_bytes is None else size > memory_bytes
    read_parts = [_examples(listing.root, part, preprocessing, in_file=in_file) for part in parts]
    unreadable = tuple(sentence for _, found in read_parts for sentence in found)
    if unreadable and not skip_unreadable:
        raise UnreadableImagesError(unreadable, sum(map(len, parts)))
    training, test, *validation = [examples for examples, _ in read_parts]
    _check_classes(listing.class_names, training)
    if not len(test):
        raise InvalidDataError(listing.root, "has no readable image in its test part", "add some")
    return Dataset(
        listing.class_names,
        training,
        test,
        listing.description,
        preprocessing,
        validation[0] if validation else None,
        unreadable,
        (*listing.notes, *_where(size, in_file=in_file)),
    )


def in_class_order(names: set[str], place: Path) -> tuple[str, ...]:
    """By code point, as torchvision; by value where all are whole numbers, so that 10 follows 9.

    The order is kept in the model file with the names. Raises UnfitLabelsError for fewer than two classes.
    """
    if len(names) < 2:
        raise UnfitLabelsError(
            f"{place} has {'one class only: ' + shown(min(names)) if names else 'no class'}",
            "a classifier needs the images of at least two",
        )
    for name in names:
        if not name.isprintable():
            raise InvalidDataError(place, f"has a class whose name {shown(name)} cannot be shown", "rename it")
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def held_out(place: Path, class_names: Sequence[str], pictures: Sequence[Picture]) -> tuple[Pictures, Pictures]:
    """(the rest, every fifth picture of each class): without a random number, whichever files can be read."""
    labels = torch.tensor([picture.label for picture in pictures], dtype=torch.int64)
    counts = torch.bincount(labels, minlength=len(class_names)).tolist()
    fewest = min(range(len(class_names)), key=counts.__getitem__)
    if counts[fewest] < FEWEST_TO_SPLIT:
        raise UnfitLabelsError(
            f"class {shown(class_names[fewest])} in {place} has too few images: {counts[fewest]}",
            f"to set some aside for the test, it needs at least {FEWEST_TO_SPLIT}",
        )
    mask = held_out_mask(labels, HELD_OUT_EVERY).tolist()
    rest = tuple(picture for picture, out in zip(pictures, mask, strict=True) if not out)
    return rest, tuple(picture for picture, out in zip(pictures, mask, strict=True) if out)


def _examples(
    root: Path, pictures: Pictures, preprocessing: Preprocessing, *, in_file: bool
) -> tuple[Examples, list[str]]:
    shape = (len(pictures), preprocessing.height, preprocessing.width, preprocessing.channels)
    images = room(shape, in_file=in_file)
    labels = torch.tensor([picture.label for picture in pictures], dtype=torch.int64)
    reasons = decoded(pictures, preprocessing, images)
    examples = Examples(images, labels)
    if reasons:
        mask = torch.ones(len(pictures), dtype=torch.bool)
        mask[list(reasons)] = False
        examples = examples.where(mask)
    return examples, [f"{_shown_path(pictures[n].path, root)}: {reason}" for n, reason in reasons.items()]


def _shown_path(path: Path, root: Path) -> str:
    return ascii(str(path.relative_to(root)))[1:-1] if not str(path).isprintable() else str(path.relative_to(root))


def _check_classes(class_names: Sequence[str], training: Examples) -> None:
    for label, count in enumerate(torch.bincount(training.labels, minlength=len(class_names)).tolist()):
        if not count:
            raise UnfitLabelsError(
                f"class {shown(class_names[label])} has no image to train on", "add some, or remove the class"
            )


def _where(size: int, *, in_file: bool) -> tuple[str, ...]:
    if not in_file:
        return ()
    return (f"{size:,} bytes of pixels are too many for the free memory: they are read from a temporary file",)
