"""The main job on generated claims: every planted violation found under its rule, no look-alike flagged."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from engine import pipeline
from tests.end_to_end.runs import FinishedRun, settings_in

pytestmark = pytest.mark.slow

OUTPUTS = (
    "kept",
    "form_inputs",
    "run_facts.json",
    "details",
    "positions",
    "tie_out",
    "cases",
    "queue",
    "dispute_lines",
    "findings",
    "quarantine",
    "ledger.json",
    "linking.json",
    "match_rates.csv",
    "disputes",
    "review",
    "report.html",
    "summary.json",
)


def pairs(folder: Any) -> set[tuple[str, str]]:
    table = pd.read_parquet(folder)
    return set(zip(table.source_row_id, table.rule_id, strict=True))


@pytest.mark.both_engines
def test_every_planted_violation_is_found_under_its_rule(generated_run: FinishedRun) -> None:
    planted = pairs(generated_run.claims / "truth")
    missed = planted - generated_run.rule_hits()
    assert not missed, sorted(missed, key=lambda pair: pair[1])[:20]
    assert {rule for _, rule in planted} >= {
        "R001", "R002", "R003", "R004", "R005", "R008", "R009", "R011", "R016", "R017", "R018", "R019", "R020",
        "R021", "R022", "R024", "R035", "R036", "R038", "R053", "R010", "R012", "R013", "R023", "R031", "R032", "R033",
        "R026", "R027", "R034", "R039", "R051", "R054", "R056", "R057", "R058",
        "R025", "R028", "R029", "R030", "R037", "R040", "R041", "R042", "R043", "R045", "R046", "R047", "R048", "R049",
        "R059", "R044", "R014", "R015", "R050", "R060", "R061",
    }  # fmt: skip


@pytest.mark.both_engines
def test_no_look_alike_is_flagged(generated_run: FinishedRun) -> None:
    flagged = pairs(generated_run.claims / "look_alikes") & generated_run.rule_hits()
    assert not flagged, sorted(flagged, key=lambda pair: pair[1])[:20]


@pytest.mark.both_engines
def test_no_rule_but_the_statistical_ones_fires_where_nothing_was_planted(generated_run: FinishedRun) -> None:
    statistical = {"R035", "R036", "R037", "R052"}
    # a reversal after the cut-off is watched (R020, WEAK), not disputed, until its credit is overdue (R055)
    expected = pairs(generated_run.claims / "truth") | pairs(generated_run.claims / "watch")
    unplanted = {(row, rule) for row, rule in generated_run.rule_hits() - expected if rule not in statistical}
    assert not unplanted, sorted(unplanted, key=lambda pair: pair[1])[:20]


@pytest.mark.both_engines
def test_files_are_readable_by_owner_and_group_only(generated_run: FinishedRun) -> None:
    root = generated_run.folder.parent
    written = list(root.rglob("*"))
    assert {"mlflow.db", "mlartifacts", generated_run.folder.name} <= {path.name for path in root.iterdir()}
    assert [str(path) for path in written if path.stat().st_mode & 0o027] == []


@pytest.mark.both_engines
def test_rx_numbers_leave_masked_and_stay_out_of_the_report(generated_run: FinishedRun) -> None:
    numbers = set(generated_run.findings().rx_number_raw.dropna())
    assert numbers
    detail = pd.read_csv(generated_run.folder / "disputes" / "detail.csv", dtype=str)
    assert detail.rx_number.dropna().str.fullmatch(r"\*+[^*]{0,4}").all()
    report = (generated_run.folder / "report.html").read_text()
    assert not [number for number in numbers if len(number) > 6 and number in report]


@pytest.mark.both_engines
def test_the_summary_records_the_settings_and_the_reference_files(generated_run: FinishedRun) -> None:
    summary = generated_run.json("summary.json")
    assert summary["settings"]["input"]["tables"]["products"]["complete"] is True
    assert set(summary["reference_files"]) == {
        "dispute_codes.csv",
        "identifiers_340b.csv",
        "state_340b_policies.csv",
    }


@pytest.mark.both_engines
def test_all_outputs_are_there_and_nothing_else(generated_run: FinishedRun) -> None:
    assert {path.name for path in generated_run.folder.iterdir()} == {*OUTPUTS, "_SUCCESS"}
    assert [path.name for path in (generated_run.folder / "review").iterdir() if path.suffix == ".xlsx"]


@pytest.mark.both_engines
def test_the_tie_out_adds_up_and_nothing_of_a_red_line_is_offered(generated_run: FinishedRun) -> None:
    tie_out = pd.read_parquet(generated_run.folder / "tie_out")
    lines = pd.read_parquet(generated_run.folder / "dispute_lines")
    counts = generated_run.json("summary.json")["counts"]
    invoiced = tie_out.dropna(subset=["units_invoiced"])
    parts = invoiced.units_settled + invoiced.units_in_dispute + invoiced.units_open
    assert len(invoiced) > 0
    assert (parts == invoiced.units_invoiced.map(lambda units: max(units, 0))).all()
    key = ["state", "program", "rebate_type", "ndc11", "period"]
    lines["ndc11"] = lines.labeler_code + lines.product_code + lines.package_code
    lines["rebate_type"] = lines.rebate_type.fillna("FEDERAL")
    red = set(tie_out[tie_out.color == "RED"][key].itertuples(index=False, name=None))
    assert red
    assert not red & set(lines[key].itertuples(index=False, name=None))
    assert counts["dispute_lines_held"] == tie_out.dispute_lines_held.sum() > 0
    assert counts["dispute_lines"] == len(lines)


@pytest.mark.both_engines
def test_every_finding_that_goes_to_somebody_is_in_one_case_and_every_finding_has_a_standing(
    generated_run: FinishedRun,
) -> None:
    findings, folder = generated_run.findings(), generated_run.folder
    cases, queue = pd.read_parquet(folder / "cases"), pd.read_parquet(folder / "queue")
    of_cases = findings.case_id.dropna().value_counts().to_dict()
    assert cases.set_index("case_id").findings.to_dict() == of_cases
    to_somebody = (findings.route != "NONE") & (findings.evidence != "CONTEXT")
    assert (findings.case_id.notna() == to_somebody).all()
    assert len(cases) < to_somebody.sum()
    assert sorted(queue.finding_id) == sorted(findings.finding_id)
    worth = findings.set_index("finding_id").priority >= 0
    assert (worth[queue.finding_id].to_numpy() == (queue.standing == "QUEUE").to_numpy()).all()
    drawn = queue[queue.selection == "RANDOM"]
    assert len(drawn) == round(worth.sum() * 0.05 + 1e-9)
    assert set(drawn.standing) == {"NEGATIVE_PRIORITY"}


@pytest.mark.both_engines
def test_every_row_is_accounted_for(generated_run: FinishedRun) -> None:
    ledger = generated_run.json("ledger.json")
    for table in ("rebate_claims", "pharmacy_claims", "entity_claims"):
        received = len(pd.read_parquet(generated_run.claims / table, columns=["source_row_id"]))
        assert ledger[table][0]["rows_in"] == received
        for step in ledger[table]:
            assert step["rows_in"] == step["rows_out"] + sum(step["dropped"].values())
    quarantined = sum(
        len(pd.read_parquet(folder)) for folder in (generated_run.folder / "quarantine").iterdir() if folder.is_dir()
    )
    summary = generated_run.json("summary.json")
    assert quarantined == sum(summary["counts"]["quarantined"].values())


def explained_in(spark: SparkSession, run: Any, source_row_id: str) -> Any:
    settings = settings_in(run.claims, run.folder.parent)
    return pipeline.explain(spark, settings, run.folder.name, source_row_id)


@pytest.mark.both_engines
def test_links_and_rules_of_a_finding_are_explained_as_in_the_run(
    spark: SparkSession, generated_run: FinishedRun
) -> None:
    findings = generated_run.findings()
    found = findings[findings.match_tier == "T3"].sort_values("source_row_id").iloc[0]
    explained = explained_in(spark, generated_run, found.source_row_id)
    best = explained.pairs[0]
    fired = {answer["rule_id"]: answer["message"] for answer in explained.answers if answer["answer"] == "FIRED"}
    assert fired == {hit["rule_id"]: hit["message"] for hit in found.rules}
    assert (best["link_tier"], best["link_score"], best["link_is_chosen"]) == ("T3", found.match_score, True)
    claim = explained.claims[found.source_row_id]
    assert (claim["claim_id"], claim["ndc11"]) == (found.claim_id, found.ndc11)
    assert claim["date_of_service"] != explained.claims_340b[best["link_source_row_id"]]["date_of_service"]
    assert {path.name for path in generated_run.folder.iterdir()} == {*OUTPUTS, "_SUCCESS"}


@pytest.mark.parametrize("subject", ["ENTITY_CLAIM", "INVOICE"])
def test_findings_of_other_subjects_are_explained_as_in_the_run(
    spark: SparkSession, generated_run: FinishedRun, subject: str
) -> None:
    findings = generated_run.findings()
    others = (findings.subject == subject) & (findings.program != "PARTD_INFL")
    found = findings[others].sort_values("source_row_id").iloc[-1]
    explained = explained_in(spark, generated_run, found.source_row_id)
    fired = {answer["rule_id"] for answer in explained.answers if answer["answer"] == "FIRED"}
    assert explained.subject == subject
    assert fired == {hit["rule_id"] for hit in found.rules}


def test_rules_of_a_row_that_is_no_finding_are_explained_without_one_that_fired(
    spark: SparkSession, generated_run: FinishedRun
) -> None:
    facts = pd.read_parquet(generated_run.folder / "kept" / "facts" / "claims", columns=["source_row_id", "link_tier"])
    linked: set[Any] = set(facts[facts.link_tier.notna()].source_row_id)
    linked -= set(generated_run.findings().source_row_id)
    explained = explained_in(spark, generated_run, min(linked))
    answers = {answer["answer"] for answer in explained.answers}
    assert "FIRED" not in answers
    assert any(answer.get("came_close") or answer["answer"] == "SUPPRESSED" for answer in explained.answers)


@pytest.mark.both_engines
def test_findings_are_unique_explained_and_carry_the_model(generated_run: FinishedRun) -> None:
    findings = generated_run.findings()
    assert findings.finding_id.is_unique
    assert findings.narrative.str.len().min() > 20
    assert (findings.rules.map(len) > 0).all()
    assert findings.evidence.notna().all()
    anomalies = findings[findings.rules.map(lambda hits: any(hit["rule_id"] == "R052" for hit in hits))]
    assert not anomalies.empty
    assert anomalies.reasons.map(len).between(1, 3).all()
    models = generated_run.json("summary.json")["models"]
    assert {model["name"] for model in models.values()} == {"claim-anomalies", "invoice-anomalies"}
    assert all(model["version"] for model in models.values())


@pytest.mark.both_engines
def test_nothing_is_a_dispute_on_a_score_alone(generated_run: FinishedRun) -> None:
    findings = generated_run.findings()
    alone = findings[findings.rules.map(lambda hits: {hit["rule_id"] for hit in hits} == {"R052"})]
    assert not alone.empty
    assert (alone.action != "DISPUTE").all()
    detail = pd.read_csv(generated_run.folder / "disputes" / "detail.csv", dtype=str)
    assert not [name for name in detail.columns if "score" in name or "p_value" in name or "contribution" in name]
