"""A run's place: ids, folders that are its own, finished and interrupted runs, publishing as a whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import Step
from engine.errors import OutputError
from engine.runs import (
    LeaseLost,
    Progress,
    RunOptions,
    check_resumable,
    check_run_id,
    folders,
    open_run,
    published_runs,
)
from engine.runs.run import Run
from engine.runtime.storage import SUCCESS_MARKER, Storage, storage_of
from engine.settings import Settings


@pytest.fixture
def storage(spark: SparkSession) -> Storage:
    return storage_of(spark)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def begin(spark: SparkSession, storage: Storage, root: Any) -> Iterator[Callable[..., Run]]:
    begun = []

    def begin(run_id: str = "r1", inputs: Any = None, **options: Any) -> Run:
        settings = Settings.model_validate(
            {"input": inputs or {}, "output": {"root": str(root)}, "as_of": "2026-09-30"}
        )
        run = open_run(spark, storage, settings, RunOptions(run_id=run_id, **options), print)
        begun.append(run)
        return run

    yield begin
    for run in begun:
        run.lease.release()


def files_of(root: Path) -> dict[str, bytes]:
    """Every file with its content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def write_outputs(run: Run, content: str = "{}") -> None:
    run.storage.write_text(f"{run.folders.outputs}/summary.json", json.dumps({"run_id": run.run_id}))
    run.storage.write_text(f"{run.folders.outputs}/findings/part-0.parquet", content)


def publish(run: Run, content: str = "{}") -> None:
    write_outputs(run, content)
    run.publish()


def write_result(run: Run) -> None:
    run.storage.write_text(f"{run.folders.work}/facts/_SUCCESS", "")


def die(run: Run) -> None:
    """As after kill -9: nothing is cleaned up, and the lease is that of a process that has ended."""
    run.lease._stopped.set()
    lease = json.loads(run.storage.read_bytes(run.lease._file))
    run.storage.write_text(run.lease._file, json.dumps({**lease, "process_started": "1"}))


def test_nothing_is_at_the_final_place_before_publishing_and_nothing_else_after(
    begin: Callable[..., Run], root: Path
) -> None:
    run = begin()
    write_outputs(run)
    assert not (root / "r1").exists()
    run.publish()
    assert sorted(files_of(root)) == ["r1/_SUCCESS", "r1/findings/part-0.parquet", "r1/summary.json"]
    assert [path.name for path in root.iterdir()] == ["r1"]


def test_a_finished_run_is_kept_until_the_one_that_overwrites_it_is_published(
    begin: Callable[..., Run], root: Path
) -> None:
    publish(begin(), "old")
    with pytest.raises(OutputError, match="finished run of this id"):
        begin()
    with pytest.raises(OutputError, match="finished run of this id"):
        begin(resume=True)
    again = begin(overwrite=True)
    write_outputs(again, "new")
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "old"
    again.publish()
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "new"
    assert [path.name for path in root.iterdir()] == ["r1"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["r1", ".r1.work", ".r1.partial", ".r1.replaced", "R1", ".R1.work"])
@pytest.mark.parametrize(
    "content",
    [
        {"claims.csv": "a"},
        {"_SUCCESS": "", "part-0.parquet": "a"},  # what Spark leaves in any folder that it writes
        {"_SUCCESS": '{"run_id": "r2"}', "summary.json": '{"run_id": "r2"}'},  # another run, moved here
        {"_SUCCESS": '{"run_id": "r1"}', "claims.csv": "a"},
        {"summary.json": '{"run_id": "r1"}', "claims.csv": "a"},
        {"_SUCCESS": "[1]", "summary.json": "not JSON"},
        {"_owner.json": '{"run_id": "r2"}', "claims.csv": "a"},
        "a file",
    ],
)
def test_what_is_not_the_runs_own_is_never_touched(
    begin: Callable[..., Run], root: Path, name: str, content: dict[str, str], overwrite: bool
) -> None:
    root.mkdir()
    if isinstance(content, str):
        (root / name).write_text(content)
    else:
        (root / name).mkdir()
        for file, text in content.items():
            (root / name / file).write_text(text)
    before = files_of(root)
    with pytest.raises(OutputError, match=name):
        begin(overwrite=overwrite)
    assert files_of(root) == before
    assert [path.name for path in root.iterdir()] == [name]


def test_an_empty_folder_at_the_final_place_is_not_a_run(begin: Callable[..., Run], root: Path) -> None:
    (root / "r1").mkdir(parents=True)
    with pytest.raises(OutputError, match="exists and is not a run of this id"):
        begin(overwrite=True)


def test_something_that_appears_at_the_final_place_meanwhile_is_kept_and_so_are_the_outputs(
    begin: Callable[..., Run], root: Path
) -> None:
    run = begin()
    write_outputs(run, "new")
    (root / "r1").mkdir()
    (root / "r1" / "claims.csv").write_text("a")
    with pytest.raises(OutputError, match="exists and is not a run of this id"):
        run.publish()
    run.abandon()
    assert (root / "r1" / "claims.csv").read_text() == "a"
    assert (root / ".r1.partial" / "findings" / "part-0.parquet").read_text() == "new"


@pytest.mark.parametrize(
    "inputs",
    [
        {"root": "{root}/r1"},
        {"root": "{root}/r1/review"},
        {"root": "{root}/../runs/R1/x"},
        {"root": "{root}/link"},
        {"root": "{root}/x", "tables": {"decisions": {"path": "{root}/r1/review/decisions.csv"}}},
        {"root": "{root}", "tables": {"prices": {"path": "r1/*.csv"}}},
        {"root": "{root}", "tables": {"prices": {"path": "*"}}},
        {"tables": {"prices": {"path": "{root}"}}},
        {"tables": {"prices": {"path": "file://{root}/r1/prices"}}},
    ],
)
def test_a_run_that_would_write_where_it_reads_is_refused(
    begin: Callable[..., Run], root: Path, inputs: dict[str, Any]
) -> None:
    publish(begin())
    (root / "r1" / "review").mkdir()
    (root / "link").symlink_to(root / "r1" / "review")
    before = files_of(root)
    filled = json.loads(json.dumps(inputs).replace("{root}", str(root)))
    with pytest.raises(OutputError, match="write to a folder that it reads"):
        begin(inputs=filled, overwrite=True)
    assert files_of(root) == before


def test_a_run_that_would_be_read_as_a_table_of_its_input_is_refused(begin: Callable[..., Run], root: Path) -> None:
    with pytest.raises(OutputError, match="as table rebate_claims"):
        begin("rebate_claims", inputs={"root": str(root)})


@pytest.mark.parametrize("inputs", [{"root": "{root}"}, {"root": "{root}/.."}, {"root": "{root}/r10"}])
def test_input_next_to_the_run_is_fine(begin: Callable[..., Run], root: Path, inputs: dict[str, str]) -> None:
    begin(inputs=json.loads(json.dumps(inputs).replace("{root}", str(root))))


def test_an_interrupted_run_is_resumed_only_with_the_same_input_and_settings(begin: Callable[..., Run]) -> None:
    run = begin()
    check_resumable(run, {"invoices": "abc"}, {})
    write_result(run)
    die(run)
    with pytest.raises(OutputError, match=r"interrupted run of this id(.|\n)*--resume"):
        begin()
    resumed = begin(resume=True)
    assert resumed.storage.exists(f"{resumed.folders.work}/facts/_SUCCESS")
    check_resumable(resumed, {"invoices": "abc"}, {})
    with pytest.raises(OutputError, match="another input: invoices"):
        check_resumable(resumed, {"invoices": "abd"}, {})
    resumed.storage.delete(f"{resumed.folders.work}/began-with.json")
    with pytest.raises(OutputError, match=r"does not record the version of the program(.|\n)*--overwrite"):
        check_resumable(resumed, {"invoices": "abc"}, {})
    resumed.lease.release()
    again = begin(overwrite=True)
    assert not again.folders.has_results


def test_a_resume_names_what_differs_and_what_to_do(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every kind of thing that can change a result."""
    run = begin()
    models = {"claim-anomalies": "1, files 0123", "findings-reranker": None}
    check_resumable(run, {"invoices": "abc", "prices": "1"}, models)
    write_result(run)
    die(run)
    resumed = begin(resume=True)
    models = {"claim-anomalies": "2, files 4567", "findings-reranker": None}
    shipped = tmp_path / "reference"
    shipped.mkdir()
    for file in Path(resumed.settings.reference_folder).glob("*.*"):
        shutil.copy(file, shipped)
    (shipped / "dispute_codes.csv").write_text("another")
    changed = {"link": {"days_apart": 5}, "reference_folder": str(shipped), "as_of": "2026-10-01"}
    settings = Settings.model_validate(resumed.settings.model_dump(exclude_unset=True) | changed)
    resumed = replace(resumed, settings=settings)
    monkeypatch.setattr("engine.runs.resume.code_version", lambda: "0.2.0+other")
    with pytest.raises(OutputError) as refused:
        check_resumable(resumed, {"invoices": "abd", "prices": "1"}, models)
    named = {(problem.what.partition(" with another ")[2], problem.to_do) for problem in refused.value.problems}
    again = "--overwrite starts again"
    assert named == {
        ("version of the program", f"resume with that version of the program; {again}"),
        ("day", f"--as-of 2026-09-30 resumes; {again}"),
        ("input: invoices", f"restore the input as it was; {again}"),
        ("setting: link.days_apart", f"restore link.days_apart to its former value; {again}"),
        ("reference file: dispute_codes.csv", f"restore dispute_codes.csv; {again}"),
        ("model version: claim-anomalies", f"--model claim-anomalies/1 resumes; {again}"),
    }
    assert "found:    5" in str(refused.value)
    assert "expected: 3" in str(refused.value)


def test_an_interrupted_run_that_replaces_a_finished_one_is_resumed_with_both_options(
    begin: Callable[..., Run], root: Path
) -> None:
    publish(begin(), "old")
    run = begin(overwrite=True)
    write_result(run)
    die(run)
    with pytest.raises(OutputError, match="--resume --overwrite continues"):
        begin(resume=True)
    resumed = begin(resume=True, overwrite=True)
    assert resumed.folders.has_results
    publish(resumed, "new")
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "new"


def test_a_run_that_ends_early_keeps_its_work_only_if_there_is_any(begin: Callable[..., Run], root: Path) -> None:
    run = begin()
    check_resumable(run, {}, {})
    assert not run.abandon(keep_work=True)
    assert list(root.iterdir()) == []
    run = begin()
    check_resumable(run, {}, {})
    write_result(run)
    assert run.abandon(keep_work=True)
    assert [path.name for path in root.iterdir()] == [".r1.work"]
    assert sorted(files_of(root / ".r1.work")) == ["_owner.json", "began-with.json", "facts/_SUCCESS"]
    assert begin(resume=True).folders.has_results


def test_a_job_resumes_its_own_runs_only(
    spark: SparkSession, storage: Storage, begin: Callable[..., Run], root: Path
) -> None:
    run = begin()
    write_result(run)
    die(run)
    settings = Settings.model_validate({"output": {"root": str(root)}})
    with pytest.raises(OutputError, match="run of detect"):
        open_run(spark, storage, settings, RunOptions("r1", resume=True), print, "train")


class Died(BaseException):
    """As if the process had been killed."""


def dies_at(monkeypatch: pytest.MonkeyPatch, operation: str, number: int) -> None:
    """The process ends instead of the storage's operation of that number."""
    real, left = getattr(Storage, operation), [number]

    def operate(self: Storage, *places: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Died
        return real(self, *places)

    monkeypatch.setattr(Storage, operation, operate)


@pytest.mark.parametrize("renames", [True, False], ids=["renames", "object store"])
@pytest.mark.parametrize("operation", ["rename", "delete", "copy", "write_text"])
@pytest.mark.parametrize("number", range(12))
def test_dying_while_publishing_leaves_the_old_or_the_new_run_and_the_next_start_makes_it_whole(
    begin: Callable[..., Run], root: Path, monkeypatch: pytest.MonkeyPatch, renames: bool, operation: str, number: int
) -> None:
    if not renames:
        monkeypatch.setattr(folders, "_NO_RENAME", {""})
    publish(begin(), "old")
    run = begin(overwrite=True)
    write_outputs(run, "new")
    with monkeypatch.context() as broken, suppress(Died):
        dies_at(broken, operation, number)
        run.publish()
    if run.storage.exists(run.lease._file):
        die(run)
    with pytest.raises(OutputError, match="finished run"):
        begin()
    content = files_of(root / "r1")
    assert content.keys() >= {"_SUCCESS", "findings/part-0.parquet", "summary.json"}
    assert content["findings/part-0.parquet"] in (b"old", b"new")
    assert not {".r1.replaced"} & {path.name for path in root.iterdir()}
    publish(begin(overwrite=True), "newest")
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "newest"
    assert [path.name for path in root.iterdir()] == ["r1"]


def test_an_old_run_goes_back_to_its_place_if_there_is_no_whole_new_one(begin: Callable[..., Run], root: Path) -> None:
    publish(begin(), "old")
    (root / "r1").rename(root / ".r1.replaced")
    with pytest.raises(OutputError, match="finished run"):
        begin()
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "old"


def test_an_object_store_without_an_old_run_gets_the_manifest_last(
    begin: Callable[..., Run], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_NO_RENAME", {""})
    run = begin()
    assert run.folders.outputs == run.folders.final
    write_outputs(run)
    assert not (root / "r1" / SUCCESS_MARKER).exists()
    die(run)
    with pytest.raises(OutputError, match="interrupted run"):
        begin()
    publish(begin(resume=True), "new")
    assert sorted(files_of(root)) == ["r1/_SUCCESS", "r1/findings/part-0.parquet", "r1/summary.json"]


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_running_run_is_protected(begin: Callable[..., Run], root: Path, options: dict[str, bool]) -> None:
    run = begin()
    write_outputs(run)
    write_result(run)
    before = files_of(root)
    with pytest.raises(OutputError, match=r"is running(.|\n)*since 20.* on host .*, process \d+"):
        begin(**options)
    assert files_of(root) == before
    publish(run)


def test_runs_of_other_ids_may_run_at_once(begin: Callable[..., Run], root: Path) -> None:
    first, second = begin("a"), begin("b")
    publish(first)
    publish(second)
    assert sorted(path.name for path in root.iterdir()) == ["a", "b"]


def test_a_run_that_was_taken_over_stops_and_touches_nothing(begin: Callable[..., Run], root: Path) -> None:
    run = begin()
    write_outputs(run)
    write_result(run)
    die(run)
    newer = begin(resume=True)
    write_outputs(newer, "newer")
    before = files_of(root)
    with pytest.raises(LeaseLost, match="took this run over"), run.progress.step(Step.SCORE):
        pass
    with pytest.raises(LeaseLost):
        run.publish()
    assert not run.abandon(keep_work=True)
    assert files_of(root) == before
    newer.publish()
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "newer"


def test_a_work_folder_that_something_removed_ends_the_run_with_the_truth(begin: Callable[..., Run]) -> None:
    run = begin()
    run.storage.delete(run.folders.work)
    with pytest.raises(OutputError, match=r"changed or removed while the run was working(.|\n)*\.r1\.work"):
        run.publish()
    run.abandon(keep_work=True)
    begin()


@pytest.mark.parametrize("run_id", ["../up", "", " ", "a b", "a/b", ".hidden", "_x", "r.", "r1\n", "x" * 101, "é"])
def test_a_run_id_must_be_usable_as_a_folder_name(run_id: str) -> None:
    with pytest.raises(OutputError, match="folder name"):
        check_run_id(run_id)


@pytest.mark.parametrize("run_id", ["mlartifacts", "MLartifacts", "mlflow.db", "MLFLOW.DB-wal", "mlruns", "Compare"])
def test_names_that_the_output_folder_uses_are_reserved_in_any_case(run_id: str) -> None:
    with pytest.raises(OutputError, match=r"uses itself(.|\n)*--with"):
        check_run_id(run_id, "--with")


@pytest.mark.parametrize("run_id", ["r", "2026-09-30", "20260930-20261129T161438", "compare-1", "a.b_c-", "x" * 100])
def test_usual_run_ids(run_id: str) -> None:
    assert check_run_id(run_id) == run_id


def test_an_output_that_cannot_be_written_is_one_clear_error(
    spark: SparkSession, storage: Storage, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    settings = Settings.model_validate({"output": {"root": str(blocked)}})
    with pytest.raises(OutputError, match=str(blocked)):
        open_run(spark, storage, settings, RunOptions(run_id="r1"), print)


def test_each_step_says_one_line_with_its_seconds() -> None:
    said = []
    progress = Progress(said.append)
    with progress.step(Step.READ) as words:
        words.append("invoices 12 rows")
    assert said[-1].startswith("read")
    assert said[-1].endswith("invoices 12 rows")
    assert progress.seconds["read"] >= 0


def test_published_runs_are_in_the_order_of_publication_and_other_folders_are_none(
    begin: Callable[..., Run], root: Path, storage: Storage
) -> None:
    for run_id in ("b", "a", "c"):
        publish(begin(run_id))
        manifest = {"run_id": run_id, "published_at": f"2026-11-29T08:00:0{'bac'.index(run_id)}"}
        (root / run_id / SUCCESS_MARKER).write_text(json.dumps(manifest))
    for name, content in (("spark", ""), ("list", "[1]"), ("text", "published"), ("copy", '{"run_id": "a"}')):
        (root / name).mkdir()
        (root / name / SUCCESS_MARKER).write_text(content)
        (root / name / "summary.json").write_text('{"run_id": "a"}')
    begin("running")
    assert published_runs(storage, str(root), but="c") == [f"{root}/b", f"{root}/a"]


def test_a_disk_that_is_full_while_publishing_leaves_the_old_run_and_the_work(
    begin: Callable[..., Run], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(begin(), "old")
    run = begin(overwrite=True)
    check_resumable(run, {}, {})
    write_result(run)
    write_outputs(run, "new")

    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(shutil, "move", full)
        with pytest.raises(OutputError, match="No space left on device"):
            run.publish()
        assert run.abandon(keep_work=True)
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "old"
    assert sorted(path.name for path in root.iterdir()) == [".r1.work", "r1"]
    publish(begin(resume=True, overwrite=True), "new")
    assert (root / "r1" / "findings" / "part-0.parquet").read_text() == "new"
