"""Rebate claims judged with DuckDB and scikit-learn: links T1 to T4, sixteen rules, the features of the claim model, a
forest's scores.

    python benchmarks/peers/duckdb_claims.py INPUT_FOLDER OUTPUT_FOLDER [--as-of DATE]

Reads the generated Parquet tables, writes links, findings, features and scores as Parquet and the seconds of each stage
as `seconds.json`. It checks no contract, keeps no ledger and explains nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.shared import (
    FEATURES,
    FEWEST_PEERS,
    HASH_STEPS,
    SAMPLE_PER_STRATUM,
    Laps,
    assign,
    forest_scores,
    hash_steps,
    identifiers_340b,
    run,
)

FEEDS = ("rebate_claims", "entity_claims", "pharmacy_claims")
REFERENCES = ("products", "prices", "pharmacies", "covered_entities", "hcpcs_crosswalk", "labelers")

MACROS = r"""
CREATE MACRO ndc11(x) AS CASE
    WHEN regexp_full_match(x, '\d{11}') THEN x
    WHEN regexp_full_match(x, '\d{5}-\d{4}-\d{2}') THEN replace(x, '-', '')
    WHEN regexp_full_match(x, '\d{4}-\d{4}-\d{2}') THEN '0' || replace(x, '-', '')
    WHEN regexp_full_match(x, '\d{5}-\d{3}-\d{2}') THEN x[1:5] || '0' || x[7:9] || x[11:12]
    WHEN regexp_full_match(x, '\d{5}-\d{4}-\d') THEN x[1:5] || x[7:10] || '0' || x[12:12] END;
CREATE MACRO rx_number(x) AS CASE
    WHEN regexp_full_match(x, '[1-9]\d{3,11}') THEN x
    WHEN regexp_full_match(x, '0*\d{4,12}') THEN regexp_extract(x, '^0*(\d{4,12})$', 1)
    WHEN regexp_full_match(x, '0*\d{4,9}[-/ ]\d{1,2}') THEN regexp_extract(x, '^0*(\d{4,9})[-/ ](\d{1,2})$', 1)
    ELSE upper(x) END;
CREATE MACRO rx_key(x, hash, scheme) AS coalesce(
    CASE WHEN length(regexp_replace(rx_number(trim(x)), '\D', '', 'g')) >= 4 THEN rx_number(trim(x)) END,
    scheme || ':' || hash);
CREATE MACRO fill_in(x) AS try_cast(regexp_extract(trim(x), '^0*\d{4,9}[-/ ](\d{1,2})$', 1) AS BIGINT);
CREATE MACRO quarter_of(day) AS year(day) || 'Q' || quarter(day);
CREATE MACRO within(claimed, given, tolerance) AS coalesce(
    round(given * 1000) > 0
    AND abs(round(claimed * 1000) - round(given * 1000)) * 1e6 <= round(given * 1000) * tolerance * 1e6, false);
CREATE MACRO over(a, b) AS a::DOUBLE / nullif(b::DOUBLE, 0);
"""

# The last NPI of each pharmacy that changed it; a pharmacy with two successors stays its own.
PREPARE = """
CREATE TABLE ncpdp AS SELECT ncpdp_id, min(npi) npi FROM pharmacies WHERE ncpdp_id IS NOT NULL
    GROUP BY ncpdp_id HAVING count(DISTINCT npi) = 1;
CREATE TABLE succession AS WITH RECURSIVE
    next_one AS (SELECT npi, min(successor_npi) successor FROM pharmacies WHERE successor_npi IS NOT NULL
        GROUP BY npi HAVING count(DISTINCT successor_npi) = 1),
    line AS (SELECT npi, successor, 1 steps FROM next_one
        UNION ALL SELECT line.npi, next_one.successor, steps + 1
            FROM line JOIN next_one ON next_one.npi = line.successor
        WHERE steps < 20)
    SELECT npi, arg_max(successor, steps) heir FROM line GROUP BY npi HAVING max(steps) < 20;
CREATE TABLE parent AS SELECT entity_id, min(parent_entity_id) parent FROM covered_entities
    WHERE parent_entity_id IS NOT NULL GROUP BY entity_id HAVING count(DISTINCT parent_entity_id) = 1;
CREATE TABLE product AS SELECT * EXCLUDE (ndc), ndc11(ndc) ndc11 FROM products
    QUALIFY row_number() OVER (PARTITION BY ndc11(ndc) ORDER BY snapshot_date DESC) = 1;
CREATE TABLE price AS SELECT ndc11(ndc) ndc11, period, unit_rebate_amount ura, wac_unit wac FROM prices;

CREATE TABLE rebate_all AS
    SELECT source_row_id, program, payer_id, plan_id, rebate_type, contract_id, claim_id, prior_claim_id, transaction,
        claim_type, hcpcs_code, units, units_basis, days_supply, modifiers, submission_clarification_codes,
        dispensing_status, prescriber_npi, bin, amount_paid, amount_third_party, unit_rebate_amount, rebate_amount,
        patient_key, paid_date, ndc11(ndc) ndc11, coalesce(claim_line, 1) claim_line, date_of_service::DATE dos,
        coalesce(fill_number, fill_in(rx_number)) fill_number, lpad(basis_of_cost, 2, '0') basis_of_cost,
        replace(upper(period), '-', '') period,
            coalesce(pharmacy_npi, ncpdp.npi, 'NCPDP:' || pharmacy_ncpdp_id) pharmacy,
        rx_key(rx_number, rx_number_hash, hash_scheme) rx_key, coalesce(state, payer_id) asking_state,
        coalesce(rebate_type, CASE WHEN program LIKE 'MDRP%' THEN 'FEDERAL' ELSE 'BASE' END) kind,
        coalesce(epoch_us(received_at), -1) arrived, list_position(['ORIGINAL', 'ADJUSTMENT', 'VOID'], transaction) step
    FROM rebate_claims x LEFT JOIN ncpdp ON ncpdp.ncpdp_id = x.pharmacy_ncpdp_id
    WHERE source_row_id IS NOT NULL AND date_of_service IS NOT NULL AND units IS NOT NULL AND period IS NOT NULL
        AND coalesce(received_at < $as_of::DATE + 1, true)
        AND (claim_type = 'MEDICAL' OR coalesce(rx_number, rx_number_hash) IS NOT NULL);
-- the rows of claims that have several rows; all else stands as it is
CREATE TABLE version AS
    SELECT source_row_id, program, payer_id, plan_id, kind, claim_id, claim_line, transaction, ndc11, units,
        amount_paid, amount_third_party, unit_rebate_amount, rebate_amount, period, prior_claim_id, arrived, step
    FROM rebate_all WHERE (payer_id, claim_id) IN (SELECT (payer_id, claim_id) FROM (
            SELECT payer_id, claim_id FROM rebate_all UNION ALL
            SELECT payer_id, prior_claim_id FROM rebate_all WHERE prior_claim_id IS NOT NULL)
        GROUP BY ALL HAVING count(*) > 1) OR transaction <> 'ORIGINAL';
-- the same row delivered again, unless its claim was adjusted or voided in between
CREATE TABLE once AS
    SELECT * FROM (SELECT *, count(*) FILTER (transaction <> 'ORIGINAL') OVER (
            PARTITION BY program, payer_id, plan_id, kind, claim_id, claim_line ORDER BY arrived, step
            RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) acts FROM version)
    QUALIFY row_number() OVER (
        PARTITION BY program, payer_id, plan_id, kind, claim_id, claim_line, transaction, ndc11, units, amount_paid,
            amount_third_party, unit_rebate_amount, rebate_amount, period,
            CASE WHEN transaction = 'ORIGINAL' THEN acts END
        ORDER BY arrived, source_row_id) = 1;
CREATE TABLE act AS SELECT *, coalesce(prior_claim_id, claim_id) prior,
    coalesce(prior_claim_id, claim_id) = claim_id is_own
    FROM once WHERE transaction <> 'ORIGINAL';
CREATE TABLE gone AS
    SELECT source_row_id FROM version ANTI JOIN once USING (source_row_id)
    UNION SELECT source_row_id FROM rebate_all WHERE transaction = 'VOID' OR ndc11 IS NULL
    UNION
    SELECT r.source_row_id FROM once r JOIN act ON act.payer_id = r.payer_id AND act.kind = r.kind
        AND act.plan_id IS NOT DISTINCT FROM r.plan_id AND act.prior = r.claim_id AND NOT act.is_own
    UNION
    SELECT r.source_row_id FROM once r JOIN act ON act.is_own AND act.program = r.program
        AND act.payer_id = r.payer_id AND act.plan_id IS NOT DISTINCT FROM r.plan_id AND act.kind = r.kind
        AND act.claim_id = r.claim_id AND act.claim_line = r.claim_line AND act.source_row_id <> r.source_row_id
        AND (r.arrived, r.step, r.source_row_id) < (act.arrived, act.step, act.source_row_id);
CREATE TABLE factor AS SELECT ndc11(ndc) ndc11, hcpcs_code, coalesce(begin_date, '0001-01-01'::DATE) begins,
        lead(begin_date, 1, '9999-12-31'::DATE)
            OVER (PARTITION BY ndc, hcpcs_code ORDER BY begin_date NULLS FIRST) ends,
        ndc_units_per_hcpcs_unit factor FROM hcpcs_crosswalk;
CREATE TABLE rebate AS
    SELECT r.* EXCLUDE (step), r.ndc11[1:9] ndc9, coalesce(heir, pharmacy) key_pharmacy,
        CASE WHEN claim_type = 'MEDICAL' THEN claim_id ELSE rx_key END script,
        CASE WHEN units_basis = 'HCPCS' THEN round(units * factor, 3)::DECIMAL(15, 3) ELSE units END ndc_units
    FROM rebate_all r ANTI JOIN gone USING (source_row_id)
    LEFT JOIN succession ON succession.npi = r.pharmacy
    LEFT JOIN factor ON factor.ndc11 = r.ndc11 AND factor.hcpcs_code = r.hcpcs_code AND r.units_basis = 'HCPCS'
        AND r.dos >= begins AND r.dos < ends;

CREATE TABLE entity_all AS
    SELECT x.* EXCLUDE (ndc, fill_number, date_of_service, submitted_at), ndc11(ndc) ndc11, ndc11(ndc)[1:9] ndc9,
        date_of_service::DATE dos, coalesce(fill_number, fill_in(rx_number)) fill_number, pharmacy_npi pharmacy,
        coalesce(parent, entity_id) parent, coalesce(claim_type, 'RX') = 'MEDICAL' is_medical,
        coalesce(epoch_us(submitted_at), -1) submitted,
        CASE WHEN claim_type = 'MEDICAL' THEN claim_id ELSE rx_key(rx_number, rx_number_hash, hash_scheme) END script
    FROM entity_claims x LEFT JOIN parent USING (entity_id)
    WHERE ndc11(ndc) IS NOT NULL AND date_of_service IS NOT NULL AND quantity IS NOT NULL
        AND coalesce(submitted_at < $as_of::DATE + 1, true)
        AND (claim_type = 'MEDICAL' OR coalesce(rx_number, rx_number_hash) IS NOT NULL);
CREATE TABLE reversal AS SELECT parent, pharmacy, script, dos, ndc9, fill_number, max(submitted) reversed
    FROM entity_all WHERE status = 'REVERSED' AND script IS NOT NULL GROUP BY ALL;
CREATE TABLE entity AS
    SELECT e.*, coalesce(heir, e.pharmacy) key_pharmacy, units_per_package
    FROM entity_all e LEFT JOIN reversal v ON v.parent = e.parent AND v.pharmacy = e.pharmacy AND v.script = e.script
        AND v.dos = e.dos AND v.ndc9 = e.ndc9 AND v.fill_number IS NOT DISTINCT FROM e.fill_number
        AND e.submitted <= v.reversed
    LEFT JOIN succession ON succession.npi = e.pharmacy LEFT JOIN product ON product.ndc11 = e.ndc11
    WHERE coalesce(status, 'SUBMITTED') = 'SUBMITTED' AND coalesce(is_340b, true) AND v.reversed IS NULL;

CREATE TABLE transaction AS
    SELECT pharmacy_npi pharmacy, rx_key(rx_number, NULL, NULL) rx_key, coalesce(fill_number, fill_in(rx_number)) fill,
        date_of_service::DATE dos, ndc11(ndc) ndc11, transaction_code code,
        coalesce(epoch_us(transaction_at), -1) happened, source_row_id
    FROM pharmacy_claims WHERE coalesce(coalesce(received_at, transaction_at) < $as_of::DATE + 1, true);
CREATE TABLE reversed AS SELECT pharmacy, rx_key, fill, dos, ndc11 FROM transaction
    WHERE rx_key IS NOT NULL AND ndc11 IS NOT NULL GROUP BY ALL
    HAVING arg_max(code, (happened, code, source_row_id)) = 'B2';
"""

# log2(m / u) in millionths: how much the agreement of each field says (Fellegi and Sunter, 1969).
LINK = """
CREATE TABLE part AS SELECT source_row_id, sum(once) OVER (
        PARTITION BY key_pharmacy, script, program, payer_id, rebate_type, fill_number, ndc9) whole
    FROM (SELECT *, CASE WHEN row_number() OVER (
            PARTITION BY key_pharmacy, script, program, payer_id, rebate_type, fill_number, ndc9, dispensing_status,
                dos, ndc11 ORDER BY ndc_units DESC, source_row_id) = 1 THEN ndc_units END once
        FROM rebate WHERE dispensing_status IS NOT NULL AND claim_type = 'RX' AND script IS NOT NULL);
CREATE TABLE pair AS
    SELECT r.source_row_id rebate_row, e.source_row_id entity_row, e.entity_id, e.parent,
        r.key_pharmacy, r.script, r.program, r.payer_id, r.rebate_type, r.claim_type, e.is_medical,
        r.fill_number fill, e.fill_number entity_fill, r.dos, e.dos entity_dos, r.ndc11, e.ndc11 entity_ndc11,
        CASE WHEN r.claim_type = 'MEDICAL' THEN r.hcpcs_code END hcpcs,
        CASE WHEN e.is_medical THEN e.hcpcs_code END entity_hcpcs,
        r.ndc11 = e.ndc11 same_ndc, r.ndc9 = e.ndc9 same_product, abs(date_diff('day', r.dos, e.dos)) AS days,
        r.prescriber_npi = e.prescriber_npi same_prescriber, r.bin = e.bin same_bin,
            dispensing_status IS NOT NULL parted,
        CASE WHEN within(ndc_units, quantity, 0.01) OR within(whole, quantity, 0.01) THEN 'EXACT'
            WHEN within(ndc_units, quantity * package, 0.01) OR within(whole, quantity * package, 0.01)
                OR within(ndc_units * package, quantity, 0.01) OR within(whole * package, quantity, 0.01)
                THEN 'CONVERTED'
            WHEN within(ndc_units, quantity, 0.05) OR within(whole, quantity, 0.05) THEN 'NEAR'
            WHEN ndc_units IS NOT NULL THEN 'FAR' END amount,
        within(whole, quantity, 0.05) OR within(whole, quantity * package, 0.01) sums_up
    FROM rebate r JOIN (SELECT *, nullif(units_per_package, 1) package FROM entity) e
        ON e.key_pharmacy = r.key_pharmacy AND e.script = r.script AND e.pharmacy = r.pharmacy
        AND e.is_medical = (r.claim_type = 'MEDICAL') AND abs(date_diff('day', r.dos, e.dos)) <= 3
    LEFT JOIN part ON part.source_row_id = r.source_row_id;
-- an entity that counts fills from 1: at least five pairs, four in five of them
CREATE TABLE shift AS SELECT parent, step FROM (
        SELECT parent, entity_fill - fill step, count(*) n, sum(count(*)) OVER (PARTITION BY parent) whole
        FROM pair WHERE days = 0 AND same_ndc AND amount = 'EXACT' AND entity_fill - fill IS NOT NULL
            GROUP BY parent, step)
    WHERE step > 0 AND whole >= 5 AND n >= 0.8 * whole;
CREATE TABLE tiered AS SELECT *,
        CASE WHEN claim_type = 'MEDICAL' THEN
                CASE WHEN days = 0 AND same_ndc AND coalesce(hcpcs = entity_hcpcs, true) THEN 1 END
            WHEN days = 0 AND same_ndc AND fill IS NOT DISTINCT FROM entity_fill
                AND amount IN ('EXACT', 'CONVERTED') THEN 1
            WHEN days = 0 AND same_ndc
                AND (coalesce(step <> 0 AND entity_fill - fill = step, false)
                    OR (fill IS NULL) <> (entity_fill IS NULL)) THEN 2
            WHEN same_ndc AND amount IN ('EXACT', 'CONVERTED', 'NEAR') THEN 3
            WHEN same_product THEN 4 END tier,
        CASE days WHEN 0 THEN 3652000 ELSE -1862000 END
        + CASE WHEN same_ndc THEN CASE amount WHEN 'EXACT' THEN 5459000 WHEN 'CONVERTED' THEN 4322000
                WHEN 'NEAR' THEN 3322000 WHEN 'FAR' THEN 0 ELSE 1322000 END
            ELSE CASE amount WHEN 'EXACT' THEN 3322000 WHEN 'FAR' THEN 263000 ELSE 2000000 END END
        + coalesce(CASE WHEN entity_fill - fill = coalesce(step, 0) THEN 1108000
            WHEN entity_fill - fill <> coalesce(step, 0) THEN -4196000 END, 0)
        + coalesce(CASE same_prescriber WHEN true THEN 3278000 WHEN false THEN -4907000 END, 0)
        + coalesce(CASE same_bin WHEN true THEN 2693000 WHEN false THEN -4824000 END, 0) score
    FROM pair LEFT JOIN shift USING (parent);
-- rows of one dispense share their partner; claims of one payer compete for it
CREATE TABLE met AS
    SELECT *,
        dense_rank() OVER (
            ORDER BY key_pharmacy, script, program, payer_id, rebate_type, fill, dos, hcpcs, ndc11) rebate,
        dense_rank() OVER (
            ORDER BY key_pharmacy, script, program, payer_id, rebate_type, entity_fill, entity_dos, entity_hcpcs,
                entity_ndc11) entity
    FROM tiered WHERE tier IS NOT NULL;
CREATE TABLE edge AS SELECT rebate, entity, min(tier) tier, arg_min(score, (tier, -score, days)) score,
        arg_min(days, (tier, -score, days)) AS days, min(rebate_row) rebate_row, min(entity_row) entity_row
    FROM met GROUP BY ALL;
"""

CHOSEN = """
CREATE TABLE linked AS SELECT met.* FROM met JOIN chosen USING (rebate, entity)
    QUALIFY rank() OVER (PARTITION BY rebate_row, entity ORDER BY met.tier, -met.score) = 1;
-- the other part of a fill that the entity reported as one
INSERT INTO linked SELECT m.* FROM met m WHERE parted AND sums_up AND rebate_row NOT IN (SELECT rebate_row FROM linked)
    AND EXISTS (SELECT 1 FROM linked l WHERE l.entity = m.entity AND l.parted AND l.sums_up
        AND l.fill IS NOT DISTINCT FROM m.fill)
    QUALIFY rank() OVER (PARTITION BY rebate_row ORDER BY tier, -score, days, entity_row) = 1;
CREATE TABLE link AS SELECT rebate_row source_row_id, entity_row link_source_row_id, 'T' || tier tier FROM linked;
"""

FACTS = """
CREATE TABLE identifier (state VARCHAR, program VARCHAR, claim_type VARCHAR, flag VARCHAR, begin_date DATE);
CREATE TABLE flagged AS SELECT DISTINCT source_row_id FROM (
        SELECT source_row_id, asking_state, program, claim_type, dos,
            'SCC ' || trim(unnest(string_split(submission_clarification_codes, '|'))) flag FROM rebate
        UNION ALL SELECT source_row_id, asking_state, program, claim_type, dos, 'BOC ' || basis_of_cost FROM rebate
            WHERE basis_of_cost IS NOT NULL
        UNION ALL SELECT source_row_id, asking_state, program, claim_type, dos,
            'MODIFIER ' || trim(unnest(string_split(modifiers, '|'))) FROM rebate) c
    JOIN identifier i ON i.flag = c.flag AND coalesce(i.state = c.asking_state, i.state IS NULL)
        AND coalesce(i.program = c.program, i.program IS NULL)
            AND coalesce(i.claim_type = c.claim_type, i.claim_type IS NULL)
        AND coalesce(i.begin_date <= c.dos, true);
CREATE TABLE asked AS
    SELECT source_row_id, program, asking_state, period, arrived, rebate_type, contract_id, dispensing_status,
        coalesce(ndc_units, units) asked,
        (pharmacy, claim_type, script, dos, ndc11,
            CASE WHEN claim_type = 'RX' THEN (fill_number, NULL, NULL) ELSE (NULL, claim_line, hcpcs_code) END,
            rebate_type, contract_id) AS dispense
    FROM rebate WHERE program LIKE 'MDRP%' AND pharmacy IS NOT NULL AND script IS NOT NULL
        AND (claim_type = 'RX' OR hcpcs_code IS NOT NULL)
    QUALIFY count(*) OVER (PARTITION BY pharmacy, claim_type, script, dos, ndc11) > 1;
CREATE TABLE repeated AS
    WITH numbered AS (SELECT *, dense_rank() OVER (ORDER BY dispense) d FROM asked),
    remaining AS (SELECT *, least(asked, sum(asked) OVER (PARTITION BY d, program, asking_state, period)
            - coalesce(sum(greatest(asked, 0)) OVER (
                PARTITION BY d, program, asking_state, period ORDER BY arrived, source_row_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) units_left FROM numbered QUALIFY units_left > 0)
    SELECT a.source_row_id, CASE WHEN arg_max(b.asking_state, b.place) IS DISTINCT FROM a.asking_state THEN 'R018'
            WHEN arg_max(b.program, b.place) <> a.program THEN 'R017'
            WHEN arg_max(b.period, b.place) <> a.period THEN 'R019' ELSE 'R016' END rule_id
    FROM remaining a JOIN (SELECT *, (arrived, source_row_id) place FROM remaining) b ON a.d = b.d
        AND b.place < (a.arrived, a.source_row_id)
        AND NOT coalesce(a.dispensing_status <> b.dispensing_status, false)
    GROUP BY a.source_row_id, a.asking_state, a.program, a.period;

-- days since the patient's previous fill of the product, as a part of that fill's days of supply
CREATE TABLE fill AS SELECT patient_key, ndc9, dos, max(days_supply) supply FROM rebate WHERE patient_key IS NOT NULL
    GROUP BY ALL;
CREATE TABLE previous AS SELECT patient_key, ndc9, dos, lag(dos) OVER w before, lag(supply) OVER w supply FROM fill
    WINDOW w AS (PARTITION BY patient_key, ndc9 ORDER BY dos);
CREATE TABLE fact AS
    SELECT r.source_row_id, r.program, r.ndc11, r.claim_type, r.units, r.ndc_units, r.dos, r.amount_paid,
        r.amount_third_party, r.rebate_type,
        r.rebate_amount, r.unit_rebate_amount, r.modifiers, own.ura, p.units_per_package, p.market_date,
            p.termination_date, p.reactivation_date,
        l.source_row_id IS NOT NULL linked, f.source_row_id IS NOT NULL flagged, v.pharmacy IS NOT NULL reversed,
            d.rule_id duplicate,
        over(r.amount_paid, r.ndc_units::DOUBLE * served.wac::DOUBLE) f20_paid_per_unit_to_wac,
        over(r.ndc_units::DOUBLE * coalesce(own.ura, r.unit_rebate_amount)::DOUBLE, r.amount_paid) f23_rebate_to_paid,
        r.ndc_units::DOUBLE f24_units_per_prescription,
        over(r.ndc_units, r.days_supply) f25_units_per_day,
        round(abs(over(r.ndc_units, units_per_package)
            - round_even(over(r.ndc_units, units_per_package), 0)), 9) f26_package_remainder,
        CASE WHEN r.dos - b.before <= 180 AND coalesce(r.dispensing_status <> 'C', true)
            THEN over(r.dos - b.before, b.supply) END f42_early_refill_ratio,
        date_diff('day', r.dos, r.paid_date::DATE)::DOUBLE f44_claim_age_days
    FROM rebate r LEFT JOIN product p USING (ndc11)
    LEFT JOIN price own ON own.ndc11 = r.ndc11 AND own.period = r.period
    LEFT JOIN price served ON served.ndc11 = r.ndc11 AND served.period = quarter_of(r.dos)
    LEFT JOIN (SELECT DISTINCT source_row_id FROM link) l ON l.source_row_id = r.source_row_id
    LEFT JOIN flagged f ON f.source_row_id = r.source_row_id
    LEFT JOIN repeated d ON d.source_row_id = r.source_row_id
    LEFT JOIN previous b ON b.patient_key = r.patient_key AND b.ndc9 = r.ndc9 AND b.dos = r.dos
    LEFT JOIN reversed v ON r.claim_type = 'RX' AND v.pharmacy = r.pharmacy AND v.rx_key = r.rx_key AND v.dos = r.dos
        AND v.ndc11 = r.ndc11 AND v.fill IS NOT DISTINCT FROM r.fill_number;
"""

RULES = """
CREATE TABLE finding AS
    SELECT source_row_id, unnest(list_filter([
        CASE WHEN ffs AND flagged THEN 'R001' END, CASE WHEN ffs AND linked THEN 'R003' END,
        CASE WHEN mco AND flagged THEN 'R004' END, CASE WHEN mco AND linked THEN 'R005' END,
        CASE WHEN duplicate <> 'R016' OR (coalesce(amount_third_party, 0) = 0
            AND NOT (claim_type = 'MEDICAL'
                AND coalesce(list_contains(string_split(modifiers, '|'), 'JW'), false))) THEN duplicate END,
        CASE WHEN reversed THEN 'R020' END,
        CASE WHEN ffs AND amount_paid = 0 AND coalesce(amount_third_party, 0) = 0 THEN 'R021' END,
        CASE WHEN late > 365 AND NOT back THEN 'R022' END,
            CASE WHEN late BETWEEN 1 AND 365 AND NOT back THEN 'R023' END,
        CASE WHEN dos < market_date THEN 'R024' END, CASE WHEN lost THEN 'R027' END], lambda x: x IS NOT NULL)) rule_id
    FROM (SELECT f.*, program = 'MDRP_FFS' ffs, program = 'MDRP_MCO' mco, date_diff('day', termination_date, dos) late,
            coalesce(reactivation_date > termination_date AND reactivation_date <= dos, false) back,
            EXISTS (SELECT 1 FROM labelers l WHERE l.labeler_code = f.ndc11[1:5]) AND NOT EXISTS (
                SELECT 1 FROM labelers l WHERE l.labeler_code = f.ndc11[1:5] AND coalesce(l.begin_date <= f.dos, true)
                    AND coalesce(f.dos < l.end_date, true)) lost
        FROM fact f WHERE program LIKE 'MDRP%' AND units > 0)
    UNION ALL SELECT source_row_id, 'R053' FROM fact WHERE program LIKE 'MDRP%' AND unit_rebate_amount <> 0
        AND abs(rebate_amount - round(ndc_units * unit_rebate_amount, 2)) > 0.01
    UNION ALL SELECT source_row_id, 'R056' FROM fact WHERE program LIKE 'MDRP%' AND unit_rebate_amount <> 0
        AND coalesce(rebate_type = 'FEDERAL', true) AND abs(unit_rebate_amount - ura) > 0.000001;
"""


def main(source: str, target: Path, as_of: str, laps: Laps) -> None:
    con = duckdb.connect()
    con.execute(f"SET threads = {os.cpu_count()}; SET TimeZone = 'UTC'")
    con.execute(MACROS)
    with laps.stage("read"):
        for table in (*FEEDS, *REFERENCES):
            place = f"{source}/{table}" if os.path.isdir(f"{source}/{table}") else f"{source}/{table}.parquet"
            pattern = f"{place}/*.parquet" if os.path.isdir(place) else place
            con.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{pattern}')")
    with laps.stage("prepare"):
        con.execute(PREPARE.replace("$as_of", f"'{as_of}'"))
    with laps.stage("link"):
        con.execute(LINK)
        chosen = assign(con.execute("SELECT * FROM edge").df())[["rebate", "entity"]]  # noqa: F841
        con.execute("CREATE TABLE chosen AS SELECT * FROM chosen")
        con.execute(CHOSEN)
    with laps.stage("facts"):
        before, _, after = FACTS.partition("CREATE TABLE flagged")
        con.execute(before)
        con.executemany("INSERT INTO identifier VALUES (?, ?, ?, ?, ?)", identifiers_340b())
        con.execute(f"CREATE TABLE flagged{after}")
        _peers(con)
    with laps.stage("rules"):
        con.execute(RULES)
    with laps.stage("score"):
        _scores(con)
    with laps.stage("write"):
        columns = ", ".join((*FEATURES, *(f"{feature}_z" for feature in FEATURES)))
        for name, query in {
            "links": "SELECT * FROM link",
            "findings": "SELECT * FROM finding",
            "features": f"SELECT source_row_id, {columns} FROM feature",
            "scores": "SELECT * FROM score",
        }.items():
            con.execute(f"COPY ({query}) TO '{target}/{name}.parquet' (FORMAT parquet)")


def _peers(con: duckdb.DuckDBPyConnection) -> None:
    """The features and their robust z-scores among the claims of a product and program."""
    con.create_function(
        "hash_step", lambda ids: pa.array(hash_steps(ids.to_pylist())), ["VARCHAR"], "BIGINT", type="arrow"
    )
    factors = ("nullif(units_per_package, 1)", "1 / nullif(units_per_package, 1)", "10", "0.1", "1000", "0.001")
    log = "round(ln(CASE WHEN f24_units_per_prescription > 0 THEN f24_units_per_prescription END), 11)"
    apart = ", ".join(f"abs({log} - usual_log - round(ln(({factor})::DOUBLE), 11))" for factor in factors)
    plain = [feature for feature in FEATURES if feature != "f27_unit_factor_distance"]
    con.execute(f"""
CREATE TABLE stratum AS SELECT ndc11, program, count(*) peers FROM fact GROUP BY ALL;
CREATE TABLE sample AS SELECT ndc11, program, units_per_package, {", ".join(plain)} FROM fact JOIN stratum
    USING (ndc11, program) WHERE hash_step(source_row_id) < {SAMPLE_PER_STRATUM * HASH_STEPS} / peers;
CREATE TABLE usual AS SELECT ndc11, program, round(ln(nullif(greatest(median(f24_units_per_prescription), 0), 0)), 11)
    usual_log FROM sample GROUP BY ALL HAVING count(f24_units_per_prescription) >= {FEWEST_PEERS};
CREATE VIEW sampled AS SELECT *, least({apart}) f27_unit_factor_distance
    FROM sample LEFT JOIN usual USING (ndc11, program);
CREATE VIEW rated AS SELECT source_row_id, ndc11, program, {", ".join(plain)}, least({apart}) f27_unit_factor_distance
    FROM fact LEFT JOIN usual USING (ndc11, program);
""")
    middles = ", ".join(
        f"CASE WHEN count({f}) >= {FEWEST_PEERS} THEN median({f}) END {f}_median, mad({f}) {f}_mad" for f in FEATURES
    )
    zs = ", ".join(
        f"CASE WHEN {f} IS NOT NULL AND {f}_median IS NOT NULL THEN greatest(-10, least(10, ({f} - {f}_median) "
        f"/ greatest(1.4826 * {f}_mad, 0.05 * abs({f}_median), 0.01))) END {f}_z"
        for f in FEATURES
    )
    con.execute(f"CREATE TABLE peer AS SELECT ndc11, program, {middles} FROM sampled GROUP BY ALL")
    con.execute(
        f"CREATE TABLE feature AS SELECT source_row_id, {', '.join(FEATURES)}, {zs} "
        "FROM rated LEFT JOIN peer USING (ndc11, program)"
    )


def _scores(con: duckdb.DuckDBPyConnection) -> None:
    inputs = [f"{feature}_z" for feature in FEATURES]
    rows = con.execute(f"""
SELECT source_row_id, f.source_row_id NOT IN (SELECT source_row_id FROM finding) is_ordinary,
    {", ".join(f"coalesce({name}, 0) {name}" for name in inputs)}
FROM feature f WHERE coalesce({", ".join(inputs)}) IS NOT NULL ORDER BY source_row_id""").fetchnumpy()
    matrix = np.column_stack([np.asarray(rows[name], dtype=np.float64) for name in inputs])
    scores = forest_scores(matrix, np.asarray(rows["is_ordinary"], dtype=bool))
    score = pd.DataFrame({"source_row_id": rows["source_row_id"], "anomaly_score": scores})  # noqa: F841
    con.execute("CREATE TABLE score AS SELECT * FROM score")


if __name__ == "__main__":
    run(main, __doc__)
