"""`python -m service bulk`: sees what is to be done, has it done here or on a cluster, and says how far it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.bulk.classification import loaded, part_classifier
from service.bulk.job import PART_IMAGES, Asked, Job, alone, begun
from service.bulk.progress import Progress
from service.errors import BulkSourceError, MissingPackageError
from service.settings import Settings


@dataclass(frozen=True)
class Plan:
    """`model` as NAME or NAME@VERSION. `on_ray`: over a Ray cluster instead of in this process. `part_images`: rows of
    each file of answers.
    """

    source: Path
    folder: Path
    model: str
    top: int
    on_ray: bool = False
    part_images: int = PART_IMAGES


def classified(plan: Plan, settings: Settings, say: Callable[[str], None] = lambda _: None) -> str:
    """What became of the whole job, once it is done; raises what `begun` and `loaded` raise.

    Interrupted anywhere, the same call goes on: parts that are written stay as they are. `say` is told how far it is.
    """
    source = plan.source.absolute()
    if not source.exists():
        raise BulkSourceError(str(source), "does not exist", "name a folder of images, or a parquet file")
    name, _, version = plan.model.partition("@")
    classifier = loaded(settings, name, version or None)
    plan.folder.mkdir(parents=True, exist_ok=True)
    asked = Asked(str(source), name, classifier.version, classifier.file.sha256, plan.top)
    job = begun(plan.folder.absolute(), asked, plan.part_images)
    with alone(job.folder):
        missing = job.missing()
        progress = Progress(job.images, job.images - sum(map(job.count, missing)))
        for part, errors in _written(job, missing, settings, on_ray=plan.on_ray):
            progress.add(job.count(part), errors)
            say(progress.line())
    return f"{progress.line()}; {job.folder}/part-*.parquet"


def _written(job: Job, missing: list[int], settings: Settings, *, on_ray: bool) -> Iterator[tuple[int, int]]:
    if not missing:
        return iter(())
    if on_ray:
        try:
            from service.bulk import on_ray as ray  # noqa: PLC0415 - seconds, and only who asks for it has it
        except ModuleNotFoundError as error:
            raise MissingPackageError(error.name or "ray", "cluster") from error
        return ray.written(job.folder, missing, settings)
    classifier = part_classifier(job, settings)
    return ((part, classifier.write(part)) for part in missing)
