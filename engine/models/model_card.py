"""A model card: training data of a version, what it detects and misses, and what its flags guarantee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.contracts.codes import Subject
from engine.contracts.facts import FEATURE_WORDS
from engine.errors import counted
from engine.models.anomaly_model import AnomalyModel
from engine.models.flags import Flags, in_words
from engine.settings import FlagSettings

CARD_FILE = "model_card.md"
_SHOWN = {
    "auprc": "average precision",
    "against_champion_auprc": "the same less the champion's on the same rows: the figure that decides",
    "gain_auprc": "the same less that of the better baseline",
    "precision_at_capacity": "precision among as many rows as analysts can review",
    "recall_at_capacity": "recall among them",
}
_SUBJECTS = {Subject.REBATE_CLAIM: "rebate claims", Subject.INVOICE: "invoice lines"}


@dataclass(frozen=True)
class FoundKind:
    """For one kind of rows known to be unusual: their number, and how many the model, a rule or neither flags."""

    kind: str
    rows: int
    by_model: int
    by_rules: int
    missed: int


def card_of(
    model: AnomalyModel,
    metrics: Mapping[str, float],
    flags: Flags,
    settings: FlagSettings,
    kinds: Sequence[FoundKind],
    trained_on: Mapping[str, str],
) -> str:
    """The model card as Markdown, without any row of data. `metrics`: of the evaluation; `kinds`: empty if no unusual
    rows are known; `trained_on`: run id, day and fingerprint of the input.
    """
    lines = [
        f"# {model.detector} on {_SUBJECTS.get(model.subject, model.subject.value)}",
        "",
        "Marks rows that are unusual among comparable rows and that no rule explains (R052, weak evidence). It",
        "supports people who review; it disputes nothing, and a row that it does not mark may still be wrong.",
        "",
        "## Training",
        "",
        f"- {counted(model.training_rows, 'row', 'rows')} that no rule flags and nobody disputed",
        *(f"- {name}: {value}" for name, value in trained_on.items()),
        f"- kind: {model.kind}, {', '.join(f'{name} {value}' for name, value in model.parameters.items()) or '-'}",
        f"- reads {'surprises' if model.inputs == 'surprise' else 'robust z-scores'} of: "
        + "; ".join(FEATURE_WORDS.get(name, name).rstrip(",") for name in model.features),
        "",
        "## Flags",
        "",
        f"- stated: {in_words(settings)}",
        f"- on the training input: {flags.flagged:,} of {counted(flags.tested, 'row', 'rows')}",
        f"- realized: {_realized(flags, kinds)}",
    ]
    lines += ["", "## What it finds and misses", ""]
    if kinds:
        lines += [
            "Rows of the training input that were made unusual on purpose. What a rule flags is learned from by none.",
            "",
            "| kind | rows | flagged by the model | flagged by a rule | missed by both |",
            "|---|---|---|---|---|",
            *(
                f"| {kind.kind} | {kind.rows:,} | {kind.by_model:,} | {kind.by_rules:,} | {kind.missed:,} |"
                for kind in kinds
            ),
            "",
            f"Misses: {_missed(kinds)}.",
        ]
    else:
        lines.append("No unusual rows are known in the training input; docs/anomaly-models.md has generated ones.")
    shown = [name for name in _SHOWN if name in metrics]
    if shown:
        lines += ["", "| figure | value | interval |", "|---|---|---|"]
        lines += [
            f"| {_SHOWN[name]} | {metrics[name]:.3f} | {metrics[f'{name}_low']:.3f} to {metrics[f'{name}_high']:.3f} |"
            for name in shown
        ]
    lines += [
        "",
        "Not seen by it: rows without the values that it reads, products with fewer than 20 comparable rows, and",
        "amounts that are unusual for all rows of a product alike.",
        "",
        "## Drift",
        "",
        "The version keeps how each input was spread in its training rows. `detect` compares the scored rows with that",
        "(population stability index) and makes a note of inputs that moved by more than",
        "`model.evaluation.notable_drift`; p-values hold as long as ordinary rows stay as they were. Train again after",
        "changes of prices, products or payers.",
        "",
        f"On the training input: {_drift(metrics)}.",
    ]
    return "\n".join(lines) + "\n"


def _realized(flags: Flags, kinds: Sequence[FoundKind]) -> str:
    if not flags.flagged:
        return "no row is flagged, so that none is flagged falsely"
    if not kinds:
        return "not known, since no unusual rows are known in the training input"
    known = sum(kind.by_model for kind in kinds)
    return (
        f"{known:,} of the {flags.flagged:,} flagged rows are known to be unusual; of the others nothing is known, so "
        f"at most {1 - known / flags.flagged:.0%} are false"
    )


def _missed(kinds: Sequence[FoundKind]) -> str:
    missed = sorted((kind for kind in kinds if kind.missed), key=lambda kind: -kind.missed / kind.rows)
    return ", ".join(f"{kind.kind} {kind.missed / kind.rows:.0%}" for kind in missed) or "none of these rows"


def _drift(metrics: Mapping[str, float]) -> str:
    if "psi_max" not in metrics:
        return "too few rows to say"
    return f"the largest index of an input is {metrics['psi_max']:.3f}"
