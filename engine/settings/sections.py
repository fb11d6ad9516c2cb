"""All settings: the sections together, the configuration hash, and the command that repeats a run."""

from __future__ import annotations

import hashlib
import json
import shlex
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from engine.redaction import without_secrets
from engine.settings.base import Section
from engine.settings.cases import CaseSettings, QueueSettings
from engine.settings.databases import DatabaseSettings
from engine.settings.exports import DisputeSettings, RedactionSettings, ReportSettings, ReviewSettings, TicketSettings
from engine.settings.facts import PeerSettings
from engine.settings.feedback import FeedbackSettings
from engine.settings.findings import DeadlineSettings, PrioritySettings
from engine.settings.link import LinkSettings
from engine.settings.models import ModelSettings
from engine.settings.positions import TieOutSettings
from engine.settings.rules import RuleSettings
from engine.settings.runs import OutputSettings
from engine.settings.runtime import RuntimeSettings, SparkSettings
from engine.settings.sources import CheckSettings, InputSettings
from engine.settings.synthetic import SyntheticSettings
from engine.settings.tracking import MlflowSettings

# Where a run reads and writes, and what changes no result.
NO_RESULT_SETTINGS: Any = {
    "disputes": {
        "contact",
        "draft_formats",
        "fill_other_amounts",
        "interest",
        "mfp_justification_code",
        "most_of_entity",
        "blanket_claims",
    },
    "input": {"root", "connection", "database_schema"},
    "check": True,
    "output": True,
    "feedback": True,
    "databases": True,
    "runtime": True,
    "spark": True,
    "mlflow": True,
    "as_of": True,
    "rules_file": True,
    "reference_folder": True,
    "redaction": True,
    "report": True,
    "tickets": True,
}


class Settings(Section):
    """All settings."""

    as_of: date | None = Field(None, description="the run's today; --as-of sets it")
    input: InputSettings = InputSettings()
    check: CheckSettings = CheckSettings()
    output: OutputSettings = OutputSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    reference_folder: str = Field("conf/reference", description="dispute codes and 340B identifiers")
    rules_file: str = Field("conf/rules.yaml", description="rules on or off, and their thresholds")
    runtime: RuntimeSettings = RuntimeSettings()
    spark: SparkSettings = SparkSettings()
    databases: dict[str, DatabaseSettings] = Field(default_factory=dict, description="connections by name")
    link: LinkSettings = LinkSettings()
    peers: PeerSettings = PeerSettings()
    rules: dict[str, RuleSettings] = Field(default_factory=dict, description="by rule id, over those of rules_file")
    model: ModelSettings = ModelSettings()
    mlflow: MlflowSettings = MlflowSettings()
    priority: PrioritySettings = PrioritySettings()
    review: ReviewSettings = ReviewSettings()
    disputes: DisputeSettings = DisputeSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    tie_out: TieOutSettings = TieOutSettings()
    cases: CaseSettings = CaseSettings()
    queue: QueueSettings = QueueSettings()
    redaction: RedactionSettings = RedactionSettings()
    tickets: TicketSettings = TicketSettings()
    report: ReportSettings = ReportSettings()
    synthetic: SyntheticSettings = SyntheticSettings()

    _command_line: tuple[str, ...] = PrivateAttr(())

    def command(self, job: str, *words: str) -> str:
        """The command that runs a job with these settings, as a user can paste it into a shell.

        Options of `words` replace those of the command line that the settings were read with.
        """
        return shlex.join(["./spark-submit.sh", job, *words, *self._command_line])

    @property
    def today(self) -> date:
        """The run's day: `as_of`, or else the present day in UTC."""
        return self.as_of or datetime.now(UTC).date()

    @property
    def feedback_root(self) -> str:
        """The folder of decisions and outcomes, whether or not a database is used instead."""
        return self.feedback.root or f"{self.output.root.rstrip('/')}/feedback"

    @property
    def unmasked_rx_recipients(self) -> tuple[str, ...]:
        """Recipients of dispute files that get whole Rx numbers; none under redaction."""
        return () if self.redaction.on else self.disputes.unmasked_rx_recipients

    @property
    def result_settings(self) -> dict[str, Any]:
        """What can change a result, as JSON and without secrets: all but where is read, written and logged."""
        return without_secrets(self.model_dump(mode="json", exclude=NO_RESULT_SETTINGS))

    @property
    def given_result_settings(self) -> dict[str, Any]:
        """Those of `result_settings` that were given and are no defaults."""
        return without_secrets(self.model_dump(mode="json", exclude=NO_RESULT_SETTINGS, exclude_unset=True))

    @property
    def reference_digests(self) -> dict[str, str]:
        """SHA-256 of each table in the reference folder, by file name; empty if the folder is not local."""
        files = sorted(Path(self.reference_folder).glob("*.csv"))
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    @property
    def shipped_digests(self) -> dict[str, str]:
        """SHA-256 of every file in the reference folder from which facts are read, by file name."""
        options = sorted(Path(self.reference_folder).glob("*.yaml"))
        return self.reference_digests | {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in options}

    @property
    def config_hash(self) -> str:
        """SHA-256 over `result_settings` and the reference files."""
        hashed = {**self.result_settings, "reference_files": self.reference_digests}
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
