"""A job over a folder or a parquet file: its rows are the service's answers, and it can be stopped anywhere."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, ready

pytest.importorskip("pyarrow", reason="pyarrow is not installed: the extra `cluster` has it")

import pyarrow as pa
import pyarrow.parquet as pq

from service.bulk.command import Plan, classified
from service.bulk.job import Asked, Job, alone, begun
from service.bulk.progress import Progress
from service.errors import BulkJobDiffersError, BulkJobRunningError, BulkSourceError, NotAClassifierError

PART = 4


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    put(folder, "upscaler", tiny_models.upscaler())
    return folder


def pictures(folder: Path, count: int) -> Path:
    (folder / "below").mkdir(parents=True)
    for number in range(count):
        (folder / ("below" if number % 3 else ".") / f"{number:03}.png").write_bytes(png(pixels(number)))
    return folder


def settings(models: Path) -> Settings:
    return Settings(models=models, provider="cpu")


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for part in sorted(folder.glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]


def run(source: Path, answers: Path, models: Path, model: str = "grey") -> str:
    return classified(Plan(source, answers, model, top=2, part_images=PART), settings(models))


def test_each_row_is_what_the_service_answers(tmp_path: Path, models: Path) -> None:
    source = pictures(tmp_path / "pictures", 10)
    (source / "notes.txt").write_text("no image")
    said = run(source, tmp_path / "answers", models)
    assert said.startswith("11 of 11 images, ")
    assert ", 1 error; " in said
    found = rows(tmp_path / "answers")
    assert [row["path"] for row in found] == sorted(row["path"] for row in found)
    with ready(settings(models)) as client:
        for row in found:
            answer = client.post("/v1/models/grey/classify?top=2", content=(source / row["path"]).read_bytes())
            if row["path"] == "notes.txt":
                problem = answer.json()
                assert row["error"] == f"{problem['code']}: {problem['detail']}; {problem['remedy']}"
                assert (row["label"], row["index"], row["probability"], row["top"]) == (None, None, None, None)
                continue
            assert answer.status_code == httpx.codes.OK
            predictions = answer.json()["results"][0]["predictions"]
            for one, expected in zip(row["top"], predictions, strict=True):
                assert one == pytest.approx({key: expected[key] for key in one}, abs=1e-6)
            assert {key: row[key] for key in ("label", "index", "probability")} == row["top"][0]
            assert row["error"] is None


def test_a_killed_job_goes_on_to_the_rows_of_one_that_was_not(tmp_path: Path, models: Path) -> None:
    source = pictures(tmp_path / "pictures", 5 * PART)
    last = max(source.rglob("*.png"))
    picture = last.read_bytes()
    last.unlink()
    os.mkfifo(last)  # whoever reads it waits for ever, so the job is in the middle whenever the signal comes
    questions = ["--model", "grey", "--models", str(models), "--top", "2", "--part", str(PART)]
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "service", "bulk", str(source), "--to", str(tmp_path / "answers"), *questions],
        stderr=subprocess.PIPE,
        env={**os.environ, "FOVEA_PROVIDER": "cpu"},
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(f"{4 * PART} of {5 * PART} images"):
                break
        process.send_signal(signal.SIGKILL)
    before = {part: part.stat().st_mtime_ns for part in (tmp_path / "answers").glob("part-*")}
    assert len(before) == 4
    (tmp_path / "answers" / ".part-00004.draft").write_bytes(b"half a file")
    last.unlink()
    last.write_bytes(picture)
    run(source, tmp_path / "answers", models)
    run(source, tmp_path / "at once", models)
    assert rows(tmp_path / "answers") == rows(tmp_path / "at once")
    assert len(rows(tmp_path / "answers")) == 5 * PART
    assert {part: part.stat().st_mtime_ns for part in before} == before
    assert not list((tmp_path / "answers").glob(".part*"))


def test_files_that_come_later_belong_to_another_job(tmp_path: Path, models: Path) -> None:
    source = pictures(tmp_path / "pictures", 3)
    run(source, tmp_path / "answers", models)
    (source / "000-new.png").write_bytes(png(pixels(9)))
    assert run(source, tmp_path / "answers", models).startswith("3 of 3 images")
    assert len(rows(tmp_path / "answers")) == 3


def test_a_file_that_cannot_be_read_has_its_reason(tmp_path: Path, models: Path) -> None:
    source = pictures(tmp_path / "pictures", 1)
    (source / "gone.png").symlink_to(source / "nowhere.png")
    run(source, tmp_path / "answers", models)
    (row,) = (row for row in rows(tmp_path / "answers") if row["path"] == "gone.png")
    assert row["error"].startswith("image_unreadable: there are no bytes: No such file or directory; ")


def test_a_name_that_is_no_text_is_written_as_escapes(tmp_path: Path, models: Path) -> None:
    source = pictures(tmp_path / "pictures", 1)
    Path(os.fsdecode(os.fsencode(source) + b"/\xff.png")).write_bytes(png(pixels(7)))
    run(source, tmp_path / "answers", models)
    (row,) = (row for row in rows(tmp_path / "answers") if "udcff" in row["path"])
    assert row["label"] is not None


@pytest.mark.parametrize("form", ["bytes", "records"])
def test_rows_of_a_parquet_file_are_images_too(tmp_path: Path, models: Path, form: str) -> None:
    images: list[bytes | None] = [png(pixels(number)) for number in range(9)]
    images[5] = None
    names = [f"row-{number}.png" for number in range(9)]
    if form == "bytes":
        table = pa.table({"image": images, "path": names, "label": list(range(9))})
    else:
        records = [{"bytes": image, "path": name} for image, name in zip(images, names, strict=True)]
        table = pa.table({"image": records})
    pq.write_table(table, tmp_path / "images.parquet", row_group_size=3)
    run(tmp_path / "images.parquet", tmp_path / "answers", models)
    for number, image in enumerate(images):
        if image is not None:
            (tmp_path / "files").mkdir(exist_ok=True)
            (tmp_path / "files" / names[number]).write_bytes(image)
    run(tmp_path / "files", tmp_path / "of files", models)
    of_rows = {row["path"]: row for row in rows(tmp_path / "answers")}
    assert list(of_rows) == names
    assert of_rows["row-5.png"]["error"].startswith("image_unreadable: there are no bytes: the row has no bytes")
    for row in rows(tmp_path / "of files"):
        assert of_rows[row["path"]]["top"][0]["index"] == row["index"]
        assert of_rows[row["path"]]["probability"] == pytest.approx(row["probability"], rel=1e-5)


def test_a_folder_keeps_the_answers_to_one_question(tmp_path: Path, models: Path) -> None:
    source = pictures(tmp_path / "pictures", 1)
    run(source, tmp_path / "answers", models)
    with pytest.raises(BulkJobDiffersError, match=r"holds answers for top 2, not 3; ask as before to go on"):
        classified(Plan(source, tmp_path / "answers", "grey", top=3), settings(models))


def test_a_job_runs_once_at_a_time(tmp_path: Path) -> None:
    job = begun(tmp_path / "answers", Asked(str(pictures(tmp_path / "pictures", 1)), "grey", 1, "0", 5))
    with alone(job.folder), pytest.raises(BulkJobRunningError, match="is running; wait for its end"), alone(job.folder):
        pass


def test_what_is_no_source_is_refused_before_anything_is_written(tmp_path: Path, models: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("no parquet")
    pq.write_table(pa.table({"picture": [b""]}), tmp_path / "other.parquet")
    pq.write_table(pa.table({"image": ["text"]}), tmp_path / "texts.parquet")
    for name, reason in {
        "nothing": "does not exist",
        "empty": "holds no file",
        "text.txt": "is no parquet file",
        "other.parquet": "has the columns picture",
        "texts.parquet": "has the columns image",
    }.items():
        with pytest.raises(BulkSourceError, match=reason):
            run(tmp_path / name, tmp_path / "answers", models)
        assert not (tmp_path / "answers" / ".job").exists()


def test_a_network_without_classes_is_refused(tmp_path: Path, models: Path) -> None:
    with pytest.raises(NotAClassifierError):
        run(pictures(tmp_path / "pictures", 1), tmp_path / "answers", models, "upscaler")


def test_the_time_left_is_that_of_this_run() -> None:
    progress = Progress(images=1_000_000, done=500_000, began=-10.0)
    progress.add(1000, 3)
    line = progress.line()
    assert line.startswith("501,000 of 1,000,000 images, ")
    assert line.endswith(" left, 3 errors")


def test_the_last_part_may_be_a_short_one() -> None:
    job = Job(Path("answers"), Asked("pictures", "grey", 1, "0", 5), images=9, part_images=4)
    assert [job.count(part) for part in range(job.parts)] == [4, 4, 1]
