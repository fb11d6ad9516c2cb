"""Step screen: the rows on which a rule fires."""

from __future__ import annotations

from functools import partial

from pyspark.sql import DataFrame

from engine import rules
from engine.contracts.codes import Step
from engine.errors import counted
from engine.pipeline import work_tables
from engine.pipeline.stages import Described, DescribedSubject, Linked, Screened, ScreenedSubject
from engine.runs import Run
from engine.runtime.session import operators_compiled_apart


def screen(run: Run, linked: Linked, described: Described) -> Screened:
    """Screen each subject by the rules that are on."""

    def hits(subject: DescribedSubject, active: rules.ActiveRules) -> DataFrame:
        flagged = rules.flagged_rows(subject.facts, active, run.settings)
        return run.work.write(work_tables.SCREENED.of(subject.table), flagged)

    with run.progress.step(Step.SCREEN) as words:
        active = [
            rules.active_rules(run.settings, linked.available, subject.subject, run.settings.today)
            for subject in described.subjects
        ]
        with operators_compiled_apart(run.spark):
            tables = run.in_parallel(
                [partial(hits, subject, on) for subject, on in zip(described.subjects, active, strict=True)]
            )
        for subject, on in zip(described.subjects, active, strict=True):
            flagged = run.work.rows(work_tables.SCREENED.of(subject.table))
            most = run.ledger.rows_out(subject.table)
            run.ledger.check_at_most(subject.table, Step.SCREEN, "rows flagged", flagged, most)
            of_rules = counted(len(on.rules), "rule", "rules")
            words.append(f"{subject.table} {of_rules}, {counted(flagged, 'row', 'rows')} flagged")
    return Screened(tuple(map(ScreenedSubject, described.subjects, tables)))
