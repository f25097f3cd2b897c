"""How far a job is and when it will end, as one line for people."""

import time
from dataclasses import dataclass, field


@dataclass
class Progress:
    """`done` images of `images` were there before this run began, which alone says how quick it is."""

    images: int
    done: int
    errors: int = 0
    began: float = field(default_factory=time.monotonic)
    here: int = 0

    def add(self, images: int, errors: int) -> None:
        """One more part is written."""
        self.done += images
        self.here += images
        self.errors += errors

    def line(self) -> str:
        """As in `12,000 of 1,000,000 images, 512/s, 32 min left, 3 errors`; `errors` are of this run."""
        rate = self.here / max(time.monotonic() - self.began, 1e-9)
        left = f", {_duration((self.images - self.done) / rate)} left" if 0 < self.done < self.images and rate else ""
        errors = f", {self.errors:,} error{'s' if self.errors > 1 else ''}" if self.errors else ""
        return f"{self.done:,} of {self.images:,} images, {rate:,.0f}/s{left}{errors}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
