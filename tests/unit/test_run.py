"""A run's place: ids, finished and broken-off runs, publishing as a whole."""

import pytest

from engine.contracts.codes import Step
from engine.errors import OutputError
from engine.run import RunOptions, check_resumable, check_run_id, open_run
from engine.settings import Settings
from engine.storage import SUCCESS_MARKER, Storage


@pytest.fixture
def storage(spark):
    return Storage(spark)


@pytest.fixture
def begin(spark, storage, tmp_path):
    said = []

    def begin(**options):
        settings = Settings.model_validate({"output": {"root": str(tmp_path / "runs")}, "as_of": "2026-09-30"})
        run = open_run(spark, storage, settings, RunOptions(run_id="r1", **options), said.append)
        run.said = said
        return run

    return begin


def test_nothing_stands_at_the_final_place_before_publishing_and_nothing_else_after(begin, tmp_path):
    run = begin()
    run.storage.write_text(f"{run.folder}/summary.json", "{}")
    assert not (tmp_path / "runs" / "r1").exists()
    run.publish()
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["r1"]
    assert sorted(path.name for path in (tmp_path / "runs" / "r1").iterdir()) == [SUCCESS_MARKER, "summary.json"]


def test_a_finished_run_is_kept_unless_told_to_overwrite(begin, tmp_path):
    begin().publish()
    with pytest.raises(OutputError, match="finished run of this id"):
        begin()
    again = begin(overwrite=True)
    again.storage.write_text(f"{again.folder}/new.json", "{}")
    assert not (tmp_path / "runs" / "r1" / "new.json").exists()
    again.publish()
    assert (tmp_path / "runs" / "r1" / "new.json").exists()


def test_a_broken_off_run_is_resumed_only_with_the_same_input_and_settings(begin):
    run = begin()
    check_resumable(run, {"invoices": "abc"})
    run.storage.write_text(f"{run.work}/facts/_SUCCESS", "")
    with pytest.raises(OutputError, match="broken off"):
        begin()
    resumed = begin(resume=True)
    assert resumed.storage.exists(f"{resumed.work}/facts/_SUCCESS")
    check_resumable(resumed, {"invoices": "abc"})
    with pytest.raises(OutputError, match="another input"):
        check_resumable(resumed, {"invoices": "abd"})
    anew = begin(overwrite=True)
    assert anew.storage.children(anew.work) == []


@pytest.mark.parametrize("run_id", ["../up", "", " ", "a b", "a/b", ".hidden", "_x", "r.", "r1\n", "x" * 101, "é"])
def test_a_run_id_must_be_usable_as_a_folder_name(run_id):
    with pytest.raises(OutputError, match="folder name"):
        check_run_id(run_id)


@pytest.mark.parametrize("run_id", ["mlartifacts", "MLartifacts", "mlflow.db", "MLFLOW.DB-wal", "mlruns", "Compare"])
def test_names_that_the_output_folder_uses_are_reserved_in_any_case(run_id):
    with pytest.raises(OutputError, match=r"uses itself(.|\n)*--with"):
        check_run_id(run_id, "--with")


@pytest.mark.parametrize("run_id", ["r", "2026-09-30", "20260930-20261129T161438", "compare-1", "a.b_c-", "x" * 100])
def test_usual_run_ids(run_id):
    assert check_run_id(run_id) == run_id


def test_an_output_that_cannot_be_written_is_one_clear_error(spark, storage, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    settings = Settings.model_validate({"output": {"root": str(blocked)}})
    with pytest.raises(OutputError, match=str(blocked)):
        open_run(spark, storage, settings, RunOptions(run_id="r1"), print)


def test_each_step_says_one_line_with_its_seconds(begin):
    run = begin()
    with run.step(Step.READ) as words:
        words.append("invoices 12 rows")
    assert run.said[-1].startswith("read")
    assert run.said[-1].endswith("invoices 12 rows")
    assert run.seconds["read"] >= 0
