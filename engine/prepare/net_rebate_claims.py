"""Net position and lineage of rebate claims: redelivery, adjustments, voids (contract parts 1, 7.1 and 7.2).

Version order of the rows of one claim key: received_at (NULL first), then ORIGINAL, ADJUSTMENT, VOID, then
source_row_id. A row that equals an earlier one is a redelivery of it, unless an ADJUSTMENT or VOID of its claim was
received between the two. An ADJUSTMENT or VOID, redelivered or not, acts on

- the earlier rows of its own claim key, if it names no prior claim or names itself;
- the rows of another claim (or of one line of it) that it names, with the same payer, plan and rebate type, in any
  program, received at or before it; if a line has no such row, on all its rows, because the prior claim arrived late;
- rows of its own claim id in other lines or programs that precede it by time and transaction.

Those rows are dropped as VOIDED or REPLACED; VOIDED wins if both apply. An ADJUSTMENT or VOID acts even if it is
dropped itself, so a VOID of the newest version ends the chain and revives no earlier one. A redelivered ADJUSTMENT does
not replace its first delivery or other adjustments of its own claim.

A chain is an ORIGINAL and the rows that replace it. Chains of one claim key are numbered in version order, live or not.
An ADJUSTMENT that is the first row of its key also begins a chain. An ORIGINAL separated from its equal only by a
redelivered ADJUSTMENT or VOID continues the chain of that equal. An ADJUSTMENT belongs to the first chain it replaces.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.claim_key import CLAIM_KEY, rebate_type_of_key
from engine.contracts.codes import Reason, Transaction
from engine.contracts.prepared import LINEAGE, PREPARED_REBATE_CLAIMS
from engine.intervals import join_as_of
from engine.prepare.row_ids import good_rows, repeated_hashes, repeated_row_ids
from engine.runtime.column_names import column_names
from engine.runtime.keep import Keep, kept_in_place

# Rows equal in all of these columns are deliveries of the same row.
_DELIVERY = (
    *CLAIM_KEY,
    "transaction",
    "ndc11",
    "units",
    "amount_paid",
    "amount_third_party",
    "unit_rebate_amount",
    "rebate_amount",
    "period",
)
# A prior claim is looked up among rows equal in these columns.
_STREAM = ("payer_id", "plan_id", "rebate_type")
_BEFORE_ALL_TIME = -(2**60)  # microseconds since 1970
# A claim that adjusts one that adjusts one ...: pointers are followed 2^10 steps, which ends in a circle too.
_MOST_ROUNDS = 10
# Where a chain begins: its line, program and number among the chains of the claim key; or the row that adjusts a claim
# of another key, where its lineage goes on.
_HEAD = "struct<program: string, claim_line: bigint, ordinal: int, began: bigint, adjusting_row: bigint>"
_KINDS = len(Transaction)


def net_rebate_claims(conformed: DataFrame, keep: Keep = kept_in_place) -> DataFrame:
    """Netting results of rebate rows, sparse: row_id, left_as, problem, prior_not_found, lineage.

    left_as: REDELIVERED, VOID_TRANSACTION, VOIDED or REPLACED. problem: SOURCE_ROW_ID_DUPLICATE for rows that share an
    id with an earlier row and equal no earlier one. lineage: LINEAGE, NULL for the first row of its own claim key. Only
    rows whose hashed claim key or id occurs twice, or whose claim is acted on, are compared exactly; all other rows are
    neither shuffled nor sorted. `keep` writes an intermediate result and returns it.
    """
    candidates = _in_order(_candidates(good_rows(conformed)))
    # as one plan the two halves are nested deeper than a client can send
    versions = keep("rebate_versions", _judged(_redelivered(candidates)))
    draft = keep("rebate_lineages/0", _with_priors(_with_chains(versions)))
    results = _numbered(_followed(draft, keep))
    has_result = F.coalesce("problem", "left_as").isNotNull() | F.col("prior_not_found") | F.col("lineage").isNotNull()
    return results.where(has_result).select("row_id", "left_as", "problem", "prior_not_found", "lineage")


def names_to_compare(conformed: DataFrame, names: DataFrame) -> DataFrame:
    """`names` (row_name: source_row_ids) plus the names of all rows equal to one of theirs. Netting only these rows
    detects the same conflicts among `names`.
    """
    rows = good_rows(conformed).withColumn("rebate_type", rebate_type_of_key())
    delivery = F.xxhash64(*_DELIVERY, *(F.col(name).isNull() for name in _DELIVERY))
    hashed = rows.select(F.col("source_row_id").alias("row_name"), delivery.alias("delivery_hash"))
    of_names = hashed.join(F.broadcast(names), on="row_name", how="left_semi").select("delivery_hash").distinct()
    equal = hashed.join(F.broadcast(of_names), on="delivery_hash", how="left_semi").select("row_name")
    return names.unionByName(equal).distinct()


def _candidates(rows: DataFrame) -> DataFrame:
    """Rows that another row may equal or act on, all that act themselves, and rows that share a source_row_id.

    id_place: 1 for the only or the earliest row of a source_row_id.
    """
    rows = rows.withColumn("rebate_type", rebate_type_of_key())
    repeated = repeated_row_ids(rows, "received_at").select("row_id", F.col("nth").alias("id_place"))
    key_hash = F.xxhash64(*CLAIM_KEY)
    acted_on = F.xxhash64(*_STREAM, F.coalesce("prior_claim_id", "claim_id"))
    shared_keys = repeated_hashes(rows, key_hash, "key_hash").withColumn("is_crowded", F.lit(True))
    claims = rows.where(_acts()).select(acted_on.alias("claim_hash"), F.lit(True).alias("is_acted_on")).distinct()
    narrow = rows.select(
        *("row_id", *_DELIVERY, "received_at", "source_row_id", "prior_claim_id", "prior_claim_line"),
        key_hash.alias("key_hash"),
        F.xxhash64(*_STREAM, "claim_id").alias("claim_hash"),
    )
    # each of the three has at most one row per hash or id
    marked = (
        narrow.join(F.broadcast(shared_keys), on="key_hash", how="left")
        .join(F.broadcast(claims), on="claim_hash", how="left")
        .join(F.broadcast(repeated), on="row_id", how="left")
    )
    is_candidate = F.coalesce("is_crowded", "is_acted_on", _acts()) | F.col("id_place").isNotNull()
    return marked.where(is_candidate).withColumn("id_place", F.coalesce("id_place", F.lit(1)))


def _acts() -> Column:
    return F.col("transaction") != Transaction.ORIGINAL.value


def _is(kind: Transaction) -> Column:
    return F.col("transaction") == kind.value


def _in_order(candidates: DataFrame) -> DataFrame:
    """Add problem, moment, reach and acts_on_key.

    moment: a number that increases with time of receipt and transaction. reach: the last moment with the same time of
    receipt. acts_on_key: the row acts on the earlier rows of its own claim key.
    """
    arrival = Window.partitionBy(*_DELIVERY).orderBy(*_arrival())
    is_good = F.col("id_place") == 1
    is_conflict = ~is_good & (F.count_if(is_good).over(arrival) == 0)
    rank = F.coalesce(*(F.when(_is(kind), place) for place, kind in enumerate(Transaction)))
    micros = F.coalesce(F.unix_micros("received_at"), F.lit(_BEFORE_ALL_TIME))
    own_line = F.coalesce(F.col("prior_claim_line") == F.col("claim_line"), F.lit(True))
    names_itself = F.coalesce(F.col("prior_claim_id") == F.col("claim_id"), F.lit(True)) & own_line
    return candidates.repartition(*_STREAM, "claim_id").withColumns(
        {
            "problem": F.when(is_conflict, Reason.SOURCE_ROW_ID_DUPLICATE.value),
            "moment": micros * _KINDS + rank,
            "reach": micros * _KINDS + (_KINDS - 1),
            "acts_on_key": _acts() & names_itself,
        }
    )


def _arrival() -> list[Column]:
    """Order of receipt among equal rows."""
    return [F.col("received_at").asc_nulls_first(), F.col("source_row_id"), F.col("id_place")]


def _version() -> list[Column]:
    """Version order of the rows of one claim key."""
    return [F.col("moment"), F.col("source_row_id"), F.col("id_place")]


def _addressed(rows: DataFrame, *others: Column) -> DataFrame:
    """Every row under its own claim id and line (`of_claim`, `of_line`), kind 0, and under the `others`."""
    addresses = F.array(_address(F.lit(True), F.col("claim_id"), F.col("claim_line"), 0), *others)
    return rows.select(*column_names(rows), F.inline(addresses)).where("exists").drop("exists")


def _address(exists: Column, claim: Column, line: Column, kind: int) -> Column:
    fields = F.struct(exists.alias("exists"), claim.alias("of_claim"), line.alias("of_line"), F.lit(kind).alias("kind"))
    # cast, so all have the same nullable fields
    return fields.cast("struct<exists: boolean, of_claim: string, of_line: bigint, kind: int>")


def _prior_address() -> Column:
    """Address of the prior claim that a row names, kind 1; of_line is NULL if it names all lines."""
    names_prior = F.col("problem").isNull() & _acts() & F.col("prior_claim_id").isNotNull()
    return _address(names_prior, F.col("prior_claim_id"), F.col("prior_claim_line"), 1)


def _last_actor(counts: Column) -> Column:
    """For rows of kind 0: the moment of the last earlier row that acts on the claim key, the claim or the line."""
    is_to_prior, all_lines = F.col("kind") == 1, F.col("of_line").isNull()

    def last(acts: Column, *within: str) -> Column:
        earlier = Window.partitionBy(*within).orderBy("moment").rangeBetween(Window.unboundedPreceding, -1)
        return F.max(F.when(acts & counts, F.col("moment"))).over(earlier)

    return F.greatest(
        last(F.col("acts_on_key") & F.col("problem").isNull(), "kind", *CLAIM_KEY),
        last(is_to_prior & all_lines, *_STREAM, "of_claim"),
        last(is_to_prior & ~all_lines, *_STREAM, "of_claim", "of_line"),
    )


def _redelivered(rows: DataFrame) -> DataFrame:
    """Add equal_moment, the moment of the nearest earlier equal row, and is_again: the row is a redelivery of it."""
    equal = Window.partitionBy(*_DELIVERY, F.col("problem").isNull()).orderBy(*_arrival())
    compared = rows.withColumn("equal_moment", F.when(F.col("problem").isNull(), F.lag("moment").over(equal)))
    acted = _addressed(compared, _prior_address()).withColumn("last_actor", _last_actor(F.lit(True)))
    is_between = F.coalesce(F.col("last_actor") > F.col("equal_moment"), F.lit(False))
    judged = acted.where("kind = 0").withColumn("is_again", F.col("equal_moment").isNotNull() & ~is_between)
    return judged.select(*column_names(rows), "equal_moment", "is_again")


def _judged(rows: DataFrame) -> DataFrame:
    """Add left_as, is_version and since.

    is_version: the row is or was live. since: the moment of the last earlier row, redeliveries excluded, that ended the
    versions live until then. Facts about a claim or a line are maxima and minima: a placeholder claim number has too
    many rows to give each row an array of the others.
    """
    claim = Window.partitionBy(*_STREAM, "of_claim")
    line = Window.partitionBy(*_STREAM, "of_claim", "of_line")
    key = Window.partitionBy("kind", *CLAIM_KEY)
    is_to_prior, all_lines, is_again = F.col("kind") == 1, F.col("of_line").isNull(), F.col("is_again")
    is_good = F.col("problem").isNull()
    is_other = F.col("of_claim") != F.col("claim_id")
    is_void, is_adjustment = _is(Transaction.VOID), _is(Transaction.ADJUSTMENT)

    def by_others(pick: Callable[[Column], Column], which: Column, value: str) -> Column:
        to_all = pick(F.when(is_to_prior & which & all_lines, F.col(value))).over(claim)
        to_line = pick(F.when(is_to_prior & which & ~all_lines, F.col(value))).over(line)
        return (F.least if pick is F.min else F.greatest)(to_all, to_line)

    actors = {"void": is_void, "adjustment": is_adjustment & ~is_again, "copy": is_adjustment & is_again}
    facts = {
        "position": F.row_number().over(key.orderBy(*_version())),
        "first_of_line": F.min(F.when(~is_to_prior & is_good & ~is_again, F.col("moment"))).over(line),
        "since": _last_actor(~is_again),
    }
    for name, which in actors.items():
        facts[f"own_{name}"] = by_others(F.max, which & ~is_other, "moment")
    for name, which in (("void", is_void), ("adjustment", is_adjustment)):
        facts[f"last_{name}"] = by_others(F.max, which & is_other, "reach")
        facts[f"first_{name}"] = by_others(F.min, which & is_other, "reach")
    timed = _addressed(rows, _prior_address()).withColumns(facts)
    timed = timed.withColumns(
        {
            f"key_{name}": F.max(F.when(F.col("acts_on_key") & is_good & which, F.col("position"))).over(key)
            for name, which in actors.items()
        }
    )

    def is_hit(name: str) -> Column:
        by_key = F.col("position") < F.col(f"key_{name}")
        return F.coalesce(by_key, F.lit(False)) | F.coalesce(F.col("moment") < F.col(f"own_{name}"), F.lit(False))

    def is_hit_by_others(name: str) -> Column:
        is_earlier = F.col("moment") <= F.col(f"last_{name}")
        came_late = F.col(f"first_{name}") < F.col("first_of_line")
        return F.coalesce(is_earlier, F.lit(False)) | F.coalesce(came_late, F.lit(False))

    is_spared = is_adjustment & F.col("acts_on_key")
    left_as = (
        F.when(is_again, Reason.REDELIVERED.value)
        .when(is_void, Reason.VOID_TRANSACTION.value)
        .when(is_hit("void") | is_hit_by_others("void"), Reason.VOIDED.value)
        .when(
            is_hit("adjustment") | is_hit_by_others("adjustment") | (is_hit("copy") & ~is_spared),
            Reason.REPLACED.value,
        )
    )
    return (
        timed.where("kind = 0")
        .withColumns({"left_as": F.when(is_good, left_as), "is_version": is_good & ~is_again & ~is_void})
        .select(*column_names(rows), "left_as", "is_version", "since")
    )


def _with_chains(rows: DataFrame) -> DataFrame:
    """Add `head`, the head of the chain that a version belongs to, and live_head, the head of the first chain that is
    live once the row has arrived; NULL on rows that are not versions.
    """
    key = Window.partitionBy(*CLAIM_KEY).orderBy(*_version())
    so_far = key.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    earlier = Window.partitionBy(*CLAIM_KEY).orderBy("moment").rangeBetween(Window.unboundedPreceding, -1)
    # rows between two that act on the key are live together
    together = Window.partitionBy(*CLAIM_KEY, "since").orderBy(*_version())
    equal = Window.partitionBy(*_DELIVERY).orderBy(*_arrival())

    def last(column: Column | str) -> Column:
        return F.last(column, ignorenulls=True).over(so_far)

    def is_new(actor: str) -> Column:
        return ~F.coalesce(F.col(actor) > F.col("equal_moment"), F.lit(False))

    is_version, is_original = F.col("is_version"), _is(Transaction.ORIGINAL)
    replaces = is_version & _is(Transaction.ADJUSTMENT) & F.col("acts_on_key")
    adjusts_other = is_version & _is(Transaction.ADJUSTMENT) & ~F.col("acts_on_key")
    is_voided = F.coalesce(F.col("left_as") == Reason.VOIDED.value, F.lit(False))
    is_resumed = is_original & F.col("equal_moment").isNotNull() & is_new("since")
    placed = rows.withColumns(
        {
            "is_first": is_version & (F.count_if(is_version).over(so_far) == 1),
            "last_replacing": F.max(F.when(replaces, F.col("moment"))).over(earlier),
        }
    )
    begins = is_version & ((is_original & ~is_resumed) | (replaces & F.col("is_first")))
    own = F.struct(
        "program",
        "claim_line",
        F.count_if(begins).over(so_far).cast("int").alias("ordinal"),
        F.col("moment").alias("began"),
        F.when(adjusts_other, F.col("row_id")).alias("adjusting_row"),
    ).cast(_HEAD)
    started = placed.withColumn("own_start", F.when(begins | adjusts_other, own)).withColumn(
        "start",
        F.when(is_version & is_resumed, F.last("own_start", ignorenulls=True).over(equal)).otherwise(
            F.col("own_start")
        ),
    )
    goes_on = F.coalesce(F.col("last_replacing") == F.col("since"), F.lit(False))
    chained = started.withColumns(
        {
            # a voided row is not live, so an adjustment does not replace it
            "of_group": F.first(F.when(~is_voided, F.col("start")), ignorenulls=True).over(together),
            "is_run_start": replaces & ~goes_on,
            "is_first_run": replaces & (F.count_if(replaces).over(so_far) == 1),
        }
    )
    # an adjustment without a live row continues the chain that was replaced last, as its own branch
    replaced = F.when(F.col("is_run_start"), F.coalesce("of_group", F.when(F.col("is_first_run"), last("start"))))
    began = F.when(F.col("is_run_start"), F.coalesce(F.col("of_group.began"), F.col("moment")))
    chained = chained.withColumns({"replaced": replaced, "run_began": began})
    of_run = last("replaced")
    run = F.struct(
        *(of_run[name].alias(name) for name in ("program", "claim_line", "ordinal")),
        last("run_began").alias("began"),
        of_run["adjusting_row"].alias("adjusting_row"),
    ).cast(_HEAD)
    chained = chained.withColumn("head", F.when(replaces, run).otherwise(F.col("start")))
    live = F.when(goes_on & ~replaces, last(F.when(replaces, F.col("head")))).otherwise(F.col("of_group"))
    live_head = F.when(replaces, F.col("head")).otherwise(F.coalesce(live, F.col("start")))
    return chained.withColumn("live_head", F.when(is_version, live_head)).select(
        *column_names(rows), F.when(is_version, F.col("head")).alias("head"), "live_head"
    )


def _with_priors(rows: DataFrame) -> DataFrame:
    """One row per row_id: its netting results, its chain, and `goes_on_with`: the row whose chain it belongs to, if
    that row adjusts a claim of another key. The adjusted claim is looked up in the row's own line and program first.
    """
    seeks = F.col("problem").isNull() & ~F.col("is_again") & _acts() & F.col("prior_claim_id").isNotNull()
    line = F.coalesce("prior_claim_line", "claim_line")
    looked_up = _addressed(
        rows,
        _address(seeks, F.col("prior_claim_id"), line, 1),
        _address(seeks & F.col("prior_claim_line").isNull(), F.col("prior_claim_id"), F.lit(None), 2),
    )
    is_own, is_first_delivery = F.col("kind") == 0, F.col("problem").isNull() & ~F.col("is_again")
    head = F.when(is_own, F.col("live_head"))

    def nearest(*within: str) -> Column:
        window = Window.partitionBy(*_STREAM, "of_claim", *within).orderBy("reach", "kind", *_version())
        before = window.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        after = window.rowsBetween(Window.currentRow, Window.unboundedFollowing)
        return F.coalesce(F.last(head, ignorenulls=True).over(before), F.first(head, ignorenulls=True).over(after))

    def first(*within: str) -> Column:
        of_claim = Window.partitionBy(*_STREAM, "of_claim", *within)
        return F.min(F.when(is_own & is_first_delivery, F.col("moment"))).over(of_claim)

    is_of_line = F.col("kind") == 1
    matched = looked_up.withColumns(
        {
            "prior": F.when(is_of_line, F.coalesce(nearest("of_line", "program"), nearest("of_line"))).when(
                F.col("kind") == 2, nearest()
            ),
            "first_named": F.when(is_of_line & F.col("prior_claim_line").isNotNull(), first("of_line")).when(
                F.col("kind") == 2, first()
            ),
        }
    )
    is_other = F.col("of_claim") != F.col("claim_id")
    finds = F.when(is_other, F.col("first_named").isNotNull()).otherwise(F.col("first_named") < F.col("moment"))
    key = Window.partitionBy("kind", *CLAIM_KEY).orderBy(*_version())
    finds_own = F.col("acts_on_key") & (
        F.count_if(is_first_delivery).over(key.rowsBetween(Window.unboundedPreceding, -1)) > 0
    )
    matched = matched.withColumn("finds", F.when(is_own, finds_own).otherwise(F.coalesce(finds, F.lit(False))))
    own_values = {name: F.max(F.when(is_own, F.col(name))).alias(name) for name in _OF_ROW}
    by_row = matched.groupBy("row_id").agg(
        *own_values.values(),
        F.max(F.when(is_own, is_first_delivery & _acts())).alias("seeks"),
        F.max("finds").alias("finds"),
        F.max(F.when(is_own, F.col("is_version") & _is(Transaction.ADJUSTMENT) & ~F.col("acts_on_key"))).alias(
            "adjusts_other"
        ),
        *(F.max(F.when(is_own, F.col("head")[name])).alias(f"head_{name}") for name in _HEAD_NAMES),
        *(
            F.max(F.when(F.col("kind") == kind, F.col("prior")[name])).alias(f"prior_{kind}_{name}")
            for kind in (1, 2)
            for name in _HEAD_NAMES
        ),
    )
    is_in_line = F.col("prior_1_program").isNotNull()

    def of_prior(name: str) -> Column:
        return F.when(is_in_line, F.col(f"prior_1_{name}")).otherwise(F.col(f"prior_2_{name}"))

    # a prior claim absent from the feed begins the lineage under its own id
    absent = {"program": F.col("program"), "claim_line": line, "ordinal": F.lit(1)}
    named = {name: F.coalesce(of_prior(name), value) for name, value in absent.items()}
    named["began"] = F.col("moment")
    adjusts_other = F.col("adjusts_other")
    return by_row.select(
        "row_id",
        *_OF_ROW,
        (F.col("seeks") & ~F.col("finds")).alias("prior_not_found"),
        F.when(adjusts_other, F.col("prior_claim_id")).otherwise(F.col("claim_id")).alias("lineage_claim_id"),
        *(
            F.when(adjusts_other, value).otherwise(F.col(f"head_{name}")).alias(f"lineage_{name}")
            for name, value in named.items()
        ),
        F.when(adjusts_other, of_prior("adjusting_row")).otherwise(F.col("head_adjusting_row")).alias("goes_on_with"),
    )


_HEAD_NAMES = ("program", "claim_line", "ordinal", "began", "adjusting_row")
_LINEAGE_NAMES = ("lineage_program", "lineage_claim_id", "lineage_claim_line", "lineage_ordinal")
_FOLLOWED = (*_LINEAGE_NAMES, "lineage_began", "goes_on_with")
# Columns of a row kept until its lineage is known.
_OF_ROW = (*CLAIM_KEY, "problem", "left_as", "moment", "source_row_id", "prior_claim_id", "prior_claim_line")


def _followed(draft: DataFrame, keep: Keep) -> DataFrame:
    """Give every row the lineage of the row it continues; each round doubles how far pointers are followed."""
    for round_number in range(1, _MOST_ROUNDS + 1):
        pointing = draft.where(F.col("goes_on_with").isNotNull())
        if not pointing.limit(1).collect():
            break
        # renamed: in a self-join Spark cannot distinguish the columns of the two sides
        pointed = pointing.select(F.col("goes_on_with").alias("pointed_row")).distinct()
        heads = draft.join(F.broadcast(pointed), F.col("row_id") == F.col("pointed_row"), how="left_semi").select(
            F.col("row_id").alias("of_row"),
            *(F.col(name).alias(f"of_{name}") for name in _FOLLOWED),
        )
        joined = draft.join(heads, F.col("goes_on_with") == F.col("of_row"), how="left")  # one row per row_id
        is_pointer = F.col("of_row").isNotNull()
        values = {name: F.when(is_pointer, F.col(f"of_{name}")).otherwise(F.col(name)) for name in _FOLLOWED}
        followed = joined.select(*(values.get(name, F.col(name)).alias(name) for name in column_names(draft)))
        draft = keep(f"rebate_lineages/{round_number}", followed)
    return draft


def _numbered(lineages: DataFrame) -> DataFrame:
    """Add `lineage`. Live rows of one chain, such as two adjustments of one claim, are numbered as its branches in the
    order in which they began; at the same time the row in the chain's own line comes first.
    """
    is_live = F.coalesce("problem", "left_as").isNull()
    same_line = F.col("claim_line") == F.col("lineage_claim_line")
    of_chain = Window.partitionBy(*_STREAM, *_LINEAGE_NAMES, is_live).orderBy(
        "lineage_began", same_line.desc(), "claim_id", "claim_line", "program", "moment", "source_row_id"
    )
    branch = F.when(is_live, F.row_number().over(of_chain)).otherwise(F.lit(1))
    is_own = (
        (F.col("lineage_claim_id") == F.col("claim_id"))
        & (F.col("lineage_claim_line") == F.col("claim_line"))
        & (F.col("lineage_program") == F.col("program"))
    )
    parts = [F.col(name).alias(name.removeprefix("lineage_")) for name in _LINEAGE_NAMES]
    lineage = F.struct(*parts, F.col("branch").cast("int").alias("branch")).cast(LINEAGE)
    is_plain = is_own & (F.col("lineage_ordinal") == 1) & (F.col("branch") == 1)
    is_version = F.col("lineage_program").isNotNull()
    return lineages.withColumn("branch", branch).withColumn(
        "lineage", F.when(is_live & is_version & ~is_plain, lineage)
    )


def live_rebate_claims(
    conformed: DataFrame, netting: DataFrame, hcpcs_crosswalk: DataFrame | None, products: DataFrame | None
) -> DataFrame:
    """PREPARED_REBATE_CLAIMS of the live rows; one row per claim line.

    `netting`: the result of `net_rebate_claims`. ndc_units: `units` by NDC or unknown basis; HCPCS units x the
    crosswalk's NDC units per HCPCS unit at the date of service (else the product's own), half-up to 0.001; NULL without
    either.
    """
    results = netting.select("row_id", F.col("left_as").alias("net_left_as"), "problem", "lineage")
    live = (
        good_rows(conformed)
        .join(F.broadcast(results), on="row_id", how="left")  # one row per row_id; sparse
        .where(F.col("net_left_as").isNull() & F.col("problem").isNull())
    )
    factor = "ndc_units_per_hcpcs_unit"
    own = products.where(F.col(factor).isNotNull()) if products is not None and hcpcs_crosswalk is None else None
    source = hcpcs_crosswalk if hcpcs_crosswalk is not None else own
    if source is None:
        converted = live.withColumn("conversion", F.struct(F.lit(None).cast("decimal(15,6)").alias(factor)))
    else:
        start, end = ("begin_date", "end_date") if hcpcs_crosswalk is not None else ("valid_from", "valid_to")
        is_hcpcs = F.col("units_basis") == "HCPCS"
        converted = join_as_of(
            live,
            source,
            key={"ndc11": F.when(is_hcpcs, F.col("ndc11")), "hcpcs_code": F.col("hcpcs_code")},
            day=F.col("date_of_service"),
            start=F.col(start),
            end=F.col(end),
            values={factor: F.col(factor)},
            into="conversion",
        )
    in_ndc_units = F.round(F.col("units") * F.col("conversion")[factor], 3).try_cast("decimal(15,3)")
    units = F.when(F.col("units_basis") == "HCPCS", in_ndc_units).otherwise(F.col("units"))
    return converted.withColumn("ndc_units", units).select(
        *(F.col(field.name).cast(field.dataType) for field in PREPARED_REBATE_CLAIMS.fields)
    )
