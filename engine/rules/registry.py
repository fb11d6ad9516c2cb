"""Rules by id and subject, each with its condition and its metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.contracts.prepared import PREPARED_REBATE_CLAIMS
from engine.contracts.tables import SUBJECT_FEEDS
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.root_causes import RootCause
from engine.settings import Settings

ThresholdValue = float | int | str | date | list[str]


class RegistryError(Exception):
    """Two rules, or the parts of one rule, contradict each other: an error in the code."""


class DataSource(StrEnum):
    """The data that a rule's suspicion is based on.

    Two WEAK rules support each other only if their data sources differ. The anomaly model reads the same quantities and
    amounts as R035 to R037, so it never raises them.
    """

    FLAGS_ON_CLAIM = "flags on the claim"
    MEDICAID_EXCLUSION_FILE = "Medicaid Exclusion File"
    CLAIMS_OF_COVERED_ENTITIES = "claims of covered entities"
    SETTLEMENTS = "settlements"
    SALES = "sales"
    MANUFACTURER_POLICIES = "manufacturer's policies"
    MEDICARE_INFLATION_REBATES = "Medicare's inflation rebates"
    NUMBERS_OF_PROVIDERS = "numbers of providers"
    CLAIM_PROGRAM = "the claim's program"
    MEDICARE_FACILITATOR = "Medicare facilitator"
    OTHER_ROWS_OF_SAME_DISPENSE = "other rows of the same dispense"
    PHARMACY_TRANSACTIONS = "the pharmacy's transactions"
    PRODUCT_FILE = "product file"
    UNIT_CONVERSION = "unit conversion"
    REGISTER_OF_COVERED_ENTITIES = "register of covered entities"
    OTHER_SUBMISSIONS_OF_ENTITIES = "other submissions of entities"
    PRESCRIBER_DISTANCE_AND_VOLUME = "prescriber, distance and volume"
    PURCHASES_AT_340B_PRICE = "purchases at the 340B price"
    QUANTITIES_AND_AMOUNTS = "quantities and amounts"


@dataclass(frozen=True)
class Threshold:
    """A number, date or list of words that the configuration can set; the default determines the type."""

    name: str
    default: ThresholdValue
    means: str


@dataclass(frozen=True)
class Parameters:
    """Parameters of a rule in addition to the facts: its thresholds, the run's day, the settings, and the available
    input ("table", "table.column", and "table.complete" for tables from which absence is meaningful).
    """

    thresholds: Mapping[str, ThresholdValue]
    as_of: date
    settings: Settings
    available: frozenset[str]

    def number(self, name: str) -> float:
        """A threshold as a number; KeyError if the rule declares none of that name."""
        return float(self.thresholds[name])  # type: ignore[arg-type]

    def integer(self, name: str) -> int:
        """A threshold as a whole number; fractions are cut off."""
        return int(self.thresholds[name])  # type: ignore[arg-type]

    def words(self, name: str) -> list[str]:
        """A threshold as a list of texts; a single text is a list of one."""
        value = self.thresholds[name]
        return list(value) if isinstance(value, list) else [str(value)]

    def day(self, name: str) -> date:
        """A threshold as a date, from a date or an ISO text."""
        value = self.thresholds[name]
        return value if isinstance(value, date) else date.fromisoformat(str(value))


RuleFunction = Callable[[Facts, Parameters], Hit]


@dataclass(frozen=True)
class Part:
    """A part of a rule's condition that requires more input than the rule: `name` in words; `needs`: the input that it
    requires; `where`: the input without which the part does not matter. Both as in `Rule.needs`.
    """

    name: str
    needs: tuple[str, ...]
    where: tuple[str, ...] = ()


@dataclass(frozen=True)
class On:
    """A rule on one subject: its needs, and what differs from the declaration for all its subjects.

    function: the condition on this subject; None: the decorated function. thresholds and guards are added after those
    of the rule; other fields replace the rule's.
    """

    function: RuleFunction | None = None
    needs: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    guards: tuple[Guard, ...] = ()
    title: str | None = None
    programs: tuple[Program, ...] | None = None
    evidence: Evidence | None = None
    codes: tuple[str, ...] | None = None
    route: Route | None = None
    party: Party | None = None
    action: Action | None = None
    citation: str | None = None
    document: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Rule:
    """One rule on one subject.

    `codes`: the codes it can assign, the usual one first; empty: it assigns no code. `needs`: tables and columns
    (`table.column`, alternatives separated by `|`) without which it is off. `parts`: parts of its condition that
    require more input. `any_units`: it also covers rows whose units are not positive. `document`: what must be sent
    with its code. `accompanies`: it adds to the results of other rules and never flags a row alone, so it can read
    every fact. `enabled`: whether it is on by default. `explains_unusual`: it checks quantity, price, amount or
    conversion, so rows on which it fires are explained and not flagged by an anomaly model; only for STRONG and MEDIUM
    rules. `in_force`: the first day of service that it covers, and the day after the last (invoices: first days of
    periods); None: unbounded. `version`: is increased when its result on the same row changes.

    `reads`: columns of rebate claims that its condition or guards read and that are not computed for every claim
    anyway. `root_cause`: what its findings have in common with others of their case. `data_source`: None for a rule
    that only informs and supports no other. `bars_disputes`: if all its guards pass, a dispute is no longer
    possible. `is_model`: it reports results of the anomaly model.
    """

    id: str
    title: str
    subject: Subject
    programs: tuple[Program, ...]
    evidence: Evidence
    codes: tuple[str, ...]
    route: Route
    party: Party
    action: Action
    citation: str
    document: str
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    parts: tuple[Part, ...]
    thresholds: tuple[Threshold, ...]
    guards: tuple[Guard, ...]
    explains_unusual: bool
    any_units: bool
    accompanies: bool
    enabled: bool
    in_force: tuple[date | None, date | None]
    version: int
    root_cause: RootCause
    data_source: DataSource | None
    bars_disputes: bool
    is_model: bool
    function: RuleFunction

    @property
    def key(self) -> tuple[str, Subject]:
        """The registration: a rule is registered once for each of its subjects."""
        return self.id, self.subject

    @property
    def code(self) -> str | None:
        """The first of the rule's dispute codes; None if it has none."""
        return self.codes[0] if self.codes else None

    @property
    def explanation(self) -> str:
        """The docstring of the rule's function in one line."""
        return " ".join((self.function.__doc__ or "").split())


class Registry:
    """All rules; the order of registration does not matter."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, Subject], Rule] = {}

    def add(self, rules: Sequence[Rule]) -> None:
        """Add one rule, with one `Rule` for each of its subjects.

        Raises RegistryError if the id is taken or the rule contradicts itself.
        """
        for rule in rules:
            if rule.id in self.ids:
                raise RegistryError(f"two rules with id {rule.id}")
            _check(rule)
        causes = {known.root_cause.name: known.root_cause for known in self._rules.values()}
        defaults: dict[str, ThresholdValue] = {}
        for rule in rules:
            if causes.get(rule.root_cause.name, rule.root_cause) != rule.root_cause:
                raise RegistryError(f"{rule.id} has another root cause {rule.root_cause.name} than the rules before it")
            for threshold in rule.thresholds:
                if defaults.setdefault(threshold.name, threshold.default) != threshold.default:
                    raise RegistryError(f"{rule.id} has two defaults for {threshold.name}")
        self._rules |= {rule.key: rule for rule in rules}

    def rules(self, subject: Subject | None = None) -> tuple[Rule, ...]:
        """Rules on a subject, or all rules, ordered by id."""
        chosen = (rule for rule in self._rules.values() if subject in (None, rule.subject))
        return tuple(sorted(chosen, key=lambda rule: rule.key))

    @property
    def ids(self) -> tuple[str, ...]:
        """Each rule id once, in order."""
        return tuple(sorted({rule.id for rule in self._rules.values()}))

    def thresholds(self, rule_id: str) -> dict[str, Threshold]:
        """Thresholds that `rules.<id>.thresholds` can set, for all subjects of the rule."""
        return {
            threshold.name: threshold
            for rule in self._rules.values()
            if rule.id == rule_id
            for threshold in rule.thresholds
        }


def _check(rule: Rule) -> None:
    """Raise RegistryError if the rule on one subject contradicts itself."""
    for what, names in (
        ("thresholds", [threshold.name for threshold in rule.thresholds]),
        ("guards", [guard.name for guard in rule.guards]),
    ):
        if len(names) != len(set(names)):
            raise RegistryError(f"{rule.id} on {rule.subject} has two {what} of one name")
    if rule.explains_unusual and rule.evidence not in (Evidence.STRONG, Evidence.MEDIUM):
        raise RegistryError(f"{rule.id} on {rule.subject} is {rule.evidence} and explains nothing that is unusual")
    unknown = {*rule.reads} - {*PREPARED_REBATE_CLAIMS.names}
    if unknown:
        raise RegistryError(f"{rule.id} reads {', '.join(sorted(unknown))}, no column of a rebate claim")
    begin, end = rule.in_force
    if begin is not None and end is not None and end <= begin:
        raise RegistryError(f"{rule.id} on {rule.subject} is never in force")


REGISTRY = Registry()


def rule(
    id: str,
    title: str,
    *,
    on: Mapping[Subject, On | tuple[str, ...]],
    programs: tuple[Program, ...],
    evidence: Evidence,
    route: Route,
    party: Party,
    action: Action,
    citation: str,
    root_cause: RootCause,
    data_source: DataSource | None,
    codes: tuple[str, ...] = (),
    document: str = "",
    reads: tuple[str, ...] = (),
    parts: tuple[Part, ...] = (),
    thresholds: tuple[Threshold, ...] = (),
    guards: tuple[Guard, ...] = (),
    explains_unusual: bool = False,
    any_units: bool = False,
    accompanies: bool = False,
    enabled: bool = True,
    in_force: tuple[date | None, date | None] = (None, None),
    version: int = 1,
    bars_disputes: bool = False,
    is_model: bool = False,
    registry: Registry = REGISTRY,
) -> Callable[[RuleFunction], RuleFunction]:
    """Register a rule for all its subjects; the docstring of each function is its explanation on the page of rules.

    on: the rule's subjects, each with its needs in addition to the subject's own table, or with `On` if more differs.
    """

    def register(function: RuleFunction) -> RuleFunction:
        registry.add([of_subject(subject, differs, function) for subject, differs in on.items()])
        return function

    def of_subject(subject: Subject, differs: On | tuple[str, ...], function: RuleFunction) -> Rule:
        own = differs if isinstance(differs, On) else On(needs=differs)
        return Rule(
            id=id,
            title=title if own.title is None else own.title,
            subject=subject,
            programs=programs if own.programs is None else own.programs,
            evidence=own.evidence or evidence,
            codes=codes if own.codes is None else own.codes,
            route=own.route or route,
            party=own.party or party,
            action=own.action or action,
            citation=citation if own.citation is None else own.citation,
            document=document if own.document is None else own.document,
            needs=(SUBJECT_FEEDS[subject], *own.needs),
            reads=reads,
            parts=parts,
            thresholds=(*thresholds, *own.thresholds),
            guards=(*guards, *own.guards),
            explains_unusual=explains_unusual,
            any_units=any_units,
            accompanies=accompanies,
            enabled=enabled,
            in_force=in_force,
            version=own.version or version,
            root_cause=root_cause,
            data_source=data_source,
            bars_disputes=bars_disputes,
            is_model=is_model,
            function=own.function or function,
        )

    return register
