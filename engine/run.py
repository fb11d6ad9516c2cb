"""A run's place, name, clock and books: written beside its final place, moved there only when whole."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from pyspark.sql import SparkSession

from engine.contracts.codes import Step
from engine.errors import OutputError, Problem
from engine.ledger import Ledger
from engine.settings import Settings
from engine.storage import SUCCESS_MARKER, Storage, join

# Object stores: a rename there copies every byte and is not one act.
_NO_RENAME = {"s3", "s3a", "s3n", "gs", "oss", "cosn"}
_RUN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
# What the engine and MLflow keep in the output folder next to the runs.
_RESERVED = {"compare", "explain", "mlartifacts", "mlruns", "runs"}
_RESERVED_PREFIX = "mlflow.db"


def check_run_id(run_id: str, where: str = "--run-id") -> str:
    """Return `run_id` if it can name a run's folder.

    Every job that takes a run id calls this before the id becomes part of a path. `where` names the option.
    Reserved names are refused in any case, since a file system may not distinguish case.

    Raises:
        OutputError: not a plain folder name, or a name that the output folder needs for something else.
    """
    if not _RUN_ID.fullmatch(run_id):
        expected = "up to 100 letters, digits, '.', '_' and '-'; the first a letter or digit, the last not '.'"
        raise OutputError(Problem("a run id must be usable as a folder name", where, run_id, expected))
    name = run_id.lower()
    if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
        raise OutputError(
            Problem(
                "the run id is a name that the output folder uses itself",
                where,
                run_id,
                f"none of {', '.join(sorted(_RESERVED))}, and nothing that begins with {_RESERVED_PREFIX}",
                "use another --run-id",
            )
        )
    return run_id


@dataclass(frozen=True)
class RunOptions:
    run_id: str | None = None
    model: str | None = None
    resume: bool = False
    overwrite: bool = False


@dataclass
class Run:
    """One run of the main job.

    `folder` is where outputs are written until `publish`, `work` holds intermediate Parquet for a resume.
    """

    spark: SparkSession
    settings: Settings
    storage: Storage
    options: RunOptions
    run_id: str
    say: Callable[[str], None]
    ledger: Ledger = field(default_factory=Ledger)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def final(self) -> str:
        return join(self.settings.output.root, self.run_id)

    @property
    def folder(self) -> str:
        return self.final if self._cannot_rename else join(self.settings.output.root, f".{self.run_id}.partial")

    @property
    def work(self) -> str:
        return join(self.settings.output.root, f".{self.run_id}.work")

    @property
    def _cannot_rename(self) -> bool:
        return urlparse(self.settings.output.root).scheme in _NO_RENAME

    def note(self, text: str) -> None:
        """Something the user should know; kept for the summary and said at once."""
        self.notes.append(text)
        self.say(f"           note: {text}")

    @contextmanager
    def step(self, step: Step) -> Iterator[list[str]]:
        """Times a step and says one line when it ends; the block appends what should stand in the line."""
        words: list[str] = []
        began = time.perf_counter()
        yield words
        self.seconds[step.value] = round(time.perf_counter() - began, 3)
        self.say(f"{step.value:<9}{self.seconds[step.value]:>8.1f} s  {'; '.join(words)}")

    def abandon(self, keep_work: bool = False) -> None:
        """Leave nothing of this run but, where it may be resumed, its work folder."""
        self.storage.delete(self.folder)
        if not keep_work:
            self.storage.delete(self.work)

    def publish(self) -> None:
        """Make the run visible as a whole, then drop what was only needed on the way."""
        manifest = {"run_id": self.run_id, "published_at": datetime.now(UTC).isoformat(timespec="seconds")}
        self.storage.write_text(join(self.folder, SUCCESS_MARKER), json.dumps(manifest) + "\n")
        if not self._cannot_rename:
            replaced = join(self.settings.output.root, f".{self.run_id}.replaced")
            self.storage.delete(replaced)
            if self.storage.exists(self.final):
                self.storage.rename(self.final, replaced)
            self.storage.rename(self.folder, self.final)
            self.storage.delete(replaced)
        self.storage.delete(self.work)


def open_run(
    spark: SparkSession, storage: Storage, settings: Settings, options: RunOptions, say: Callable[[str], None]
) -> Run:
    """The run's folders, checked and ready to write to. Raises OutputError."""
    run_id = options.run_id or f"{settings.today:%Y%m%d}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    check_run_id(run_id)
    run = Run(spark, settings, storage, options, run_id, say)
    if storage.exists(join(run.final, SUCCESS_MARKER)) and not options.overwrite:
        raise OutputError(
            Problem(
                "there is a finished run of this id",
                run.final,
                to_do="give another --run-id, or --overwrite to replace it",
            )
        )
    if storage.exists(run.work) and not (options.resume or options.overwrite):
        raise OutputError(
            Problem(
                "a run of this id was broken off",
                run.work,
                to_do="--resume goes on with it, --overwrite begins anew",
            )
        )
    if not options.resume:
        storage.delete(run.work)
    storage.delete(run.folder)
    storage.make_folder(run.folder)
    storage.make_folder(run.work)
    return run


def published_runs(storage: Storage, root: str, but: str) -> list[str]:
    """Folders of finished runs below `root` other than `but`, in the order in which they were published."""
    runs = []
    for name in storage.children(root):
        marker = join(root, name, SUCCESS_MARKER)
        if name != but and not name.startswith(".") and storage.exists(marker):
            published_at = json.loads(storage.read_bytes(marker) or b"{}").get("published_at", "")
            if published_at:
                runs.append((published_at, name))
    return [join(root, name) for _, name in sorted(runs)]


def check_resumable(run: Run, fingerprints: dict[str, str]) -> None:
    """A broken-off run goes on only with the input and settings that it began with. Raises OutputError."""
    began_with = join(run.work, "began-with.json")
    now = {
        "config": run.settings.config_hash,
        "as_of": str(run.settings.today),
        "input": fingerprints,
        "code": code_version(),
    }
    if run.options.resume and run.storage.exists(began_with):
        before = json.loads(run.storage.read_bytes(began_with))
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            raise OutputError(
                Problem(
                    "the broken-off run began with another " + ", ".join(changed),
                    run.work,
                    to_do="--overwrite begins anew",
                )
            )
    run.storage.write_text(began_with, json.dumps(now))


def code_version() -> str:
    """The package's version and a hash over its sources, so that two runs can tell whether the code differed."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.relative_to(Path(__file__).parent).as_posix().encode())
        digest.update(path.read_bytes())
    return f"{version('drug-discount-engine')}+{digest.hexdigest()[:12]}"


def run_facts(run: Run) -> dict[str, Any]:
    """What identifies a run in its summary."""
    return {
        "run_id": run.run_id,
        "as_of": str(run.settings.today),
        "started_at": run.started.isoformat(timespec="seconds"),
        "config_hash": run.settings.config_hash,
        "code_version": code_version(),
        "spark_version": run.spark.version,
        "python_version": platform.python_version(),
        "started_by": getpass.getuser(),
    }
