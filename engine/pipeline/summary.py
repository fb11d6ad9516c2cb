"""summary.json: the inputs, settings, models and results of a run."""

from __future__ import annotations

from engine import exports, models, rules
from engine.contracts.codes import DROPPED_NOT_QUARANTINED, Step
from engine.contracts.tables import SUBJECT_FEEDS
from engine.pipeline.outputs import Outputs
from engine.pipeline.stages import Findings, Flagged, Inputs, Linked
from engine.redaction import masked
from engine.runs import Run, run_facts


def summary_of(
    run: Run, inputs: Inputs, linked: Linked, flagged: Flagged, findings: Findings, outputs: Outputs
) -> dict[str, object]:
    """The content of summary.json."""
    ledger, root = run.ledger.tables, run.settings.input.root
    forms, posted = outputs.drafts.forms, outputs.posted

    def dropped_in_prepare(name: str) -> dict[str, int]:
        return next((entry["dropped"] for entry in ledger[name] if entry["step"] == Step.PREPARE.value), {})

    quarantined = {
        name: sum(rows for reason, rows in dropped_in_prepare(name).items() if reason not in DROPPED_NOT_QUARANTINED)
        for name in ledger
    }
    return {
        **run_facts(run),
        "input": {
            name: {"fingerprint": table.fingerprint, "location": masked(table.location)}
            for name, table in inputs.tables.items()
        },
        "input_not_read": list(inputs.unread),
        "models": {
            table: {
                "name": scores.name,
                "version": scores.version,
                "detector": scores.model.detector,
                "rows_judged": scores.flags.tested,
                "rows_flagged": scores.flags.flagged,
                "flagged_by": models.in_words(run.settings.model.flags),
                "drift": dict(sorted(scores.drift.items())),
            }
            for table, scores in flagged.by_model.items()
        },
        "groups": {
            table: {"months_judged": groups.tested, "months_flagged": groups.flagged}
            for table, groups in flagged.groups.items()
        },
        "queue_order": findings.order.as_json,
        "input_root": None if root is None else masked(run.storage.real_location(root)),
        "settings": run.settings.result_settings,
        "reference_files": run.settings.reference_digests,
        "counts": {
            "received": {name: entries[0]["rows_in"] for name, entries in ledger.items()},
            "quarantined": {name: rows for name, rows in quarantined.items() if rows},
            "findings": outputs.totals.findings,
            "dismissed": outputs.totals.dismissed,
            "findings_by_evidence": outputs.totals.counts("evidence"),
            "findings_by_rule": outputs.totals.counts("rule"),
            "at_issue": outputs.totals.at_issue(),
            "dispute_lines": outputs.drafts.drafted,
            "dispute_lines_held": outputs.tables.lines_held,
            "dispute_lines_sent_before": outputs.tables.lines_sent_before,
            "tie_out": outputs.tables.colors,
            "cases": outputs.tables.cases_by_status,
            "queue": outputs.tables.queue_counts,
            "forms": None if forms is None else {"rosi": forms.rosi, "pqas": forms.pqas},
            "positions": None if posted is None else {"units": posted.units, "not_booked": posted.counted},
        },
        "thresholds": {
            f"{rule} on {table}": values
            for subject, table in SUBJECT_FEEDS.items()
            for rule, values in rules.thresholds_in_force(run.settings, subject).items()
        },
        "rule_versions": {
            f"{rule} on {table}": version
            for subject, table in SUBJECT_FEEDS.items()
            for rule, version in rules.rule_versions(subject).items()
        },
        "rules_off": {off.name: off.why for off in outputs.off if off.kind == "rule"},
        "guards_off": {off.name: off.why for off in outputs.off if off.kind == "guard"},
        "features_off": {off.name: off.why for off in outputs.off if off.kind == "feature"},
        "match_rates": exports.match_rate_summary(linked.report) if linked.report is not None else None,
        "notes": run.progress.notes,
        "seconds": run.progress.seconds,
    }
