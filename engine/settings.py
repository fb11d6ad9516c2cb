"""The whole configuration as one typed object, read from YAML, environment and `--set`.

Precedence, highest first: `--set a.b=value`, environment variables `ENGINE__A__B=value`, the YAML file, defaults.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engine.contracts.codes import Evidence, Subject
from engine.contracts.columns import Kind
from engine.contracts.facts import CLAIM_FEATURES, CLAIM_MEASURES, INVOICE_FEATURES, INVOICE_MEASURES
from engine.contracts.findings import FINDING_FEATURES
from engine.contracts.formats import (
    DEFAULT,
    NOTHING_DECLARED,
    NUMBER_SETTINGS,
    DatePattern,
    DeclaredFormats,
    FormatError,
    FormatSetting,
    PeriodPattern,
)
from engine.contracts.tables import TABLES
from engine.errors import ConfigurationError, Problem, closest_name, did_you_mean
from engine.redaction import MASK, is_secret_name, masked, remember_environment, remember_secrets, without_secrets

ENVIRONMENT_PREFIX = "ENGINE__"
_RULE_ID = re.compile(r"r\d{3}")
_ENVIRONMENT_ORIGIN = "environment variable "
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,59}")
# yaml itself raises ValueError for dates that no calendar has.
_UNREADABLE = (yaml.YAMLError, ValueError, RecursionError)

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
TableName = typing.Literal[tuple(TABLES)]  # type: ignore[valid-type]
ClaimFeature = typing.Literal[CLAIM_FEATURES]  # type: ignore[valid-type]
InvoiceFeature = typing.Literal[INVOICE_FEATURES]  # type: ignore[valid-type]
ClaimMeasure = typing.Literal[CLAIM_MEASURES]  # type: ignore[valid-type]
InvoiceMeasure = typing.Literal[INVOICE_MEASURES]  # type: ignore[valid-type]
FindingFeature = typing.Literal[FINDING_FEATURES]  # type: ignore[valid-type]


class Section(BaseModel):
    """A part of the settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Secret(Section):
    """Where a secret is found, on the driver and on every executor: never what it is."""

    environment: str | None = Field(None, description="name of an environment variable")
    file: str | None = Field(None, description="path of a mounted file that holds nothing else")

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.environment is None) == (self.file is None):
            raise ValueError("expected environment: NAME, or file: PATH")
        return self


class DatabaseSettings(Section):
    """A connection through ODBC, to SQL Server or to what speaks its language."""

    driver: str = Field("ODBC Driver 18 for SQL Server", description="name, or path of the driver's library")
    dsn: str | None = Field(None, description="data source of odbc.ini, instead of server and database")
    server: str | None = Field(None, description="host name or address")
    port: PositiveInt | None = Field(None, description="default: the driver's")
    database: str | None = Field(None, description="name of the database on the server")
    user: str | None = Field(None, description="login; its password is a secret")
    password: Secret | None = None
    connection_string: Secret | None = Field(None, description="all of it in one secret; nothing above is read then")
    authentication: str | None = Field(None, description="of Entra ID, such as ActiveDirectoryMsi; see the driver")
    integrated: bool = Field(False, description="log in as the account that the job runs under (Kerberos)")
    encrypt: bool | Literal["strict"] | None = Field(None, description="default: true; with a dsn, what odbc.ini has")
    trust_server_certificate: bool | None = Field(None, description="default: false; with a dsn, what odbc.ini has")
    options: dict[str, str] = Field(default_factory=dict, description="further keywords of the driver")
    reader: Literal["pyodbc", "mssql-python"] = Field(
        "pyodbc", description="mssql-python fetches Arrow, where that package is installed"
    )
    concurrent_connections: PositiveInt = Field(4, description="most connections that read one table at a time")
    rows_per_fetch: PositiveInt = Field(2_000, description="few enough to stay in the processor's cache")
    rows_per_range: PositiveInt = Field(500_000, description="read again together when a connection breaks")
    attempts: PositiveInt = Field(5, description="attempts on a transient error")
    first_wait: NonNegative = Field(1.0, description="seconds, at most, before the second attempt; then doubled")
    connect_timeout: PositiveInt = Field(15, description="seconds")
    query_timeout: Annotated[int, Field(ge=0)] = Field(0, description="seconds; 0: none")

    @field_validator("options")
    @classmethod
    def _without_secrets(cls, options: dict[str, str]) -> dict[str, str]:
        found = [key for key in options if is_secret_name(key.replace(" ", ""))]
        if found:
            raise ValueError(f"{', '.join(found)} is a secret: it belongs into password, as a variable or a file")
        return options

    @model_validator(mode="after")
    def _somewhere(self) -> DatabaseSettings:
        if self.connection_string is None and self.dsn is None and self.server is None:
            raise ValueError("expected a server, a dsn or a connection_string")
        if self.reader == "mssql-python" and self.dsn is not None and self.connection_string is None:
            raise ValueError("reader mssql-python knows no dsn: set server and database, or reader: pyodbc")
        return self

    @property
    def is_postgresql(self) -> bool:
        """Whether the driver's name is that of a PostgreSQL driver."""
        return "postgres" in self.driver.lower() or "psqlodbc" in self.driver.lower()


_DATES, _NUMBERS = (Kind.DATE, Kind.TIMESTAMP), (Kind.INTEGER, Kind.UNITS, Kind.UNIT_PRICE, Kind.MONEY)
# Kinds of columns for which a format can be declared.
_KINDS_WITH: dict[FormatSetting, tuple[Kind, ...]] = {
    "dates": _DATES,
    "periods": (Kind.QUARTER,),
    "decimal": _NUMBERS,
    "thousands": _NUMBERS,
    "currency": _NUMBERS,
}
_OPTIONS_OF_TABLE = ("header", "names", "widths")


class TableLocation(Section):
    """Where one table is: files at a `path`, or a `table` (view, too) or `query` of a `connection`.

    With none of them the table is found by name, and only how to read it is set here.
    A relative `path` is taken below `input.root`. It may be a file, a folder, a pattern or a list of them
    (docs/input-files.md).
    """

    path: str | tuple[str, ...] | None = Field(None, description="file, folder, pattern or a list of them")
    connection: str | None = Field(None, description="one of `databases`")
    table: str | None = Field(None, description="schema.table")
    query: str | None = Field(None, description="one SELECT without ORDER BY")
    partition_by: str | None = Field(None, description="the database's own column: read in several connections")
    partition_method: Literal["range", "hash"] | None = Field(
        None, description="default: ranges of equal rows for numbers and dates, hashes for text"
    )
    received_after: datetime | None = Field(None, description="only rows received later; rows without a time are kept")
    format: str | None = Field(None, description="Spark format; by default from the file's ending")
    adapter: (
        Literal[
            "sdud",
            "nadac",
            "mdrp_products",
            "fda_ndc",
            "asp_crosswalk",
            "r144",
            "opais_entities",
            "opais_contract_pharmacies",
            "opais_json",
            "opais_excel_entities",
            "opais_excel_contract_pharmacies",
            "medicaid_exclusion_file",
            "cms_pde",
        ]
        | None
    ) = Field(None, description="layout of a publisher, whose columns need no mapping (docs/public-data.md)")
    columns: dict[str, str] = Field(default_factory=dict, description="contract column: the file's own column")
    options: dict[str, Any] = Field(
        default_factory=dict, description="options of the format's reader: text, numbers, lists"
    )
    header: Any = Field(None, description="as in options")
    names: Any = Field(None, description="as in options")
    widths: Any = Field(None, description="as in options")
    complete: bool = Field(False, description="reference table lists everything: absence from it means something")
    fallback: TableLocation | None = Field(
        None, description="products only: another list, read for the NDCs that this one does not have"
    )
    dates: dict[str, str] = Field(
        default_factory=dict,
        description="pattern of dates that are text, such as MM/dd/yyyy, or patterns by column; `default`: all others",
    )
    periods: dict[str, str] = Field(
        default_factory=dict, description="pattern of quarters, or patterns by column; q'Q'yy reads 2Q26"
    )
    decimal: dict[str, str] = Field(default_factory=dict, description='decimal sign, or by column: "." or ","')
    thousands: dict[str, str] = Field(default_factory=dict, description="thousands separator, or by column")
    currency: dict[str, str] = Field(default_factory=dict, description="currency sign or code, or by column: $, EUR")
    nulls: tuple[str, ...] = Field((), description='words that are read as NULL, such as ["NULL", "\\\\N"]')

    @field_validator("dates", "periods", *NUMBER_SETTINGS, mode="before")
    @classmethod
    def _by_column(cls, declared: Any) -> Any:
        """One value for the whole table is the default of all its columns."""
        by_column = declared if isinstance(declared, Mapping) else {DEFAULT: declared}
        wrong = [value for value in by_column.values() if not isinstance(value, str)]
        if wrong:
            raise ValueError(f"expected text, or a mapping of columns to text; found {wrong[0]!r}")
        return dict(by_column)

    @property
    def formats(self) -> DeclaredFormats:
        """What is declared about dates, periods, numbers and NULL of the table."""
        return DeclaredFormats(
            {"dates": self.dates, "periods": self.periods, **{name: getattr(self, name) for name in NUMBER_SETTINGS}},
            self.nulls,
        )

    @field_validator("dates", "periods")
    @classmethod
    def _readable_patterns(cls, by_column: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        parse = DatePattern.parse if info.field_name == "dates" else PeriodPattern.parse
        for column, pattern in by_column.items():
            try:
                parse(pattern)
            except FormatError as error:
                raise ValueError(f"{pattern!r}{'' if column == DEFAULT else f' of {column}'}: {error}") from None
        return by_column

    @model_validator(mode="after")
    def _readable_numbers(self) -> TableLocation:
        formats = self.formats
        for column in dict.fromkeys(name for setting in NUMBER_SETTINGS for name in formats.by_setting[setting]):
            try:
                formats.numbers(column)
            except FormatError as error:
                raise ValueError(f"{'numbers' if column == DEFAULT else column}: {error}") from None
        return self

    @field_validator("path", mode="before")
    @classmethod
    def _of_text(cls, path: Any) -> Any:
        """Names that YAML takes for numbers are names, too."""
        if isinstance(path, (list, tuple)):
            return tuple(str(one) for one in path)
        if isinstance(path, dict):
            raise ValueError("expected the name of a file or folder, a pattern, or a list of them")
        return path if path is None else str(path)

    @model_validator(mode="after")
    def _one_place(self) -> TableLocation:
        places = [name for name in ("path", "table", "query") if getattr(self, name) is not None]
        if len(places) > 1 or (self.connection is not None and not places):
            raise ValueError(f"expected one of path, table and query; found {' and '.join(places) or 'none'}")
        if places and self.path is None and self.connection is None:
            raise ValueError(f"expected the connection of the {places[0]}")
        of_files = [name for name in ("format", "adapter") if getattr(self, name)]
        of_files += ["options"] if self.reader_options else []
        of_databases = [
            name
            for name in ("connection", "partition_by", "partition_method", "received_after")
            if getattr(self, name) is not None
        ]
        wrong = of_files if self.connection is not None else of_databases
        if wrong:
            raise ValueError(f"{', '.join(wrong)} has no meaning for {f'a {places[0]}' if places else 'files'}")
        if self.fallback is not None and (self.complete or self.fallback.complete):
            raise ValueError("a table with a fallback cannot be complete: absence from one list no longer shows")
        if self.fallback is not None and self.fallback.path is None:
            raise ValueError("a fallback is read from a path")
        if self.fallback is not None and (any(self.fallback.formats.by_setting.values()) or self.fallback.nulls):
            raise ValueError("formats of values are declared for the table, and hold for its fallback too")
        twice = [name for name in _OPTIONS_OF_TABLE if name in self.options and getattr(self, name) is not None]
        if twice:
            raise ValueError(f"{', '.join(twice)} is set twice: under the table and in its options")
        if self.path is not None and not all(path.strip() for path in self.paths):
            raise ValueError("expected the name of a file or folder, a pattern, or a list of them")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path, in the order of the settings; ("",) for an empty list."""
        return ((self.path,) if isinstance(self.path, str) else self.path or ("",)) if self.path is not None else ()

    @property
    def reader_options(self) -> dict[str, Any]:
        """`options`, with those that may be set under the table itself."""
        of_table = {name: getattr(self, name) for name in _OPTIONS_OF_TABLE}
        return {**self.options, **{name: value for name, value in of_table.items() if value is not None}}


class InputSettings(Section):
    """Where input tables are."""

    root: str | None = Field(None, description="folder in which tables are found by name; --input sets it")
    connection: str | None = Field(None, description="one of `databases`, in which tables are found by name")
    database_schema: str = Field("dbo", description="schema of these tables")
    tables: dict[TableName, TableLocation] = Field(  # type: ignore[valid-type]
        default_factory=dict, description="where each table is and how it is read, by the contract's name"
    )
    most_quarantined: Fraction = Field(
        2 / 3, description="part of a table's rows that may be quarantined; with more of them the run stops"
    )

    def formats_of(self, table: str) -> DeclaredFormats:
        """What is declared for a table."""
        location = self.tables.get(table)
        return NOTHING_DECLARED if location is None else location.formats


class CheckSettings(Section):
    """The job `check`."""

    rows_per_file: PositiveInt = Field(
        2_000, description="rows sampled from the start of a file, or of each 128 MB of it"
    )


class OutputSettings(Section):
    """Where results go."""

    root: str = Field("output", description="folder of runs; --output sets it")
    connection: str | None = Field(None, description="one of `databases`, to which findings are written too")
    database_schema: str = Field("dbo", description="where its tables are")
    keep_rows: bool = Field(
        True, description="each run keeps its prepared rows and facts, from which `explain` answers in seconds"
    )


class FeedbackSettings(Section):
    """Where the job `feedback` keeps decisions and outcomes, and `detect` and `train` find them."""

    root: str | None = Field(None, description="folder; default: `feedback` below output.root")
    connection: str | None = Field(None, description="one of `databases`, instead of the folder")
    database_schema: str = Field("dbo", description="where the tables decisions and outcomes are in it")


class SparkSettings(Section):
    """`conf` takes precedence over session defaults, but not over --conf of spark-submit."""

    master: str | None = Field(None, description="only where spark-submit gives none; default local[*]")
    conf: dict[str, str | int | bool] = Field(
        default_factory=dict, description="of Spark, such as spark.executor.memory"
    )
    executor_wait_seconds: PositiveInt = Field(
        600, description="on a cluster: a run whose jobs wait so long without any executor ends"
    )


class RuntimeSettings(Section):
    """Which engine runs a job; docs/engines.md. Results do not depend on it."""

    engine: Literal["auto", "embedded", "spark"] = Field("auto", description="--engine sets it")
    largest_embedded_input: PositiveInt | None = Field(
        None,
        description="bytes of input files, with more of which `auto` selects Spark. Default: by memory",
    )
    results_at_once: PositiveInt | None = Field(
        None, description="independent results that are made at a time; by default one per processor, at most 4"
    )
    embedded_memory_share: Fraction = Field(
        0.7, description="of the available memory: with more needed, `auto` selects Spark"
    )
    embedded_base_memory: PositiveInt = Field(1_000_000_000, description="bytes that any run of the main job needs")
    embedded_memory_per_row: PositiveInt = Field(2_200, description="bytes of memory that a row of input needs")
    embedded_memory_per_byte: NonNegative = Field(8.0, description="bytes of memory that a byte of input needs")


class LevelPrior(Section):
    """How often a field compares this way, before anything was counted."""

    of_matches: Annotated[float, Field(gt=0, lt=1)] = Field(description="m: among pairs that are one dispense")
    of_others: Annotated[float, Field(gt=0, lt=1)] = Field(description="u: among pairs that are not")


def _priors(**fields: dict[str, tuple[float, float]]) -> dict[str, dict[str, LevelPrior]]:
    return {
        field: {level: LevelPrior(of_matches=m, of_others=u) for level, (m, u) in levels.items()}
        for field, levels in fields.items()
    }


class PharmacyIdentityWeights(Section):
    """Weights of agreement and conflict, in log2 units: n units make the same place 2^n times as likely."""

    name: float = Field(10.0, description="names agree that one place of the area carries; 1 less for twice the places")
    chain_name: float = Field(4.0, description="least that an agreeing name weighs, however many carry it")
    name_near: float = Field(5.0, description="most that a name weighs which only resembles the other")
    name_differs: float = Field(-6.0, description="no name of the one resembles a name of the other")
    store_number: float = Field(11.0, description="same number where the names agree or are near")
    store_number_differs: float = Field(-16.0, description="different stores of one chain, even at one address")
    address: float = Field(12.0, description="same house number and street")
    house_number_differs: float = Field(-6.0, description="another house number, on any street")
    suite_differs: float = Field(-4.0, description="same house number and street, another suite")
    phone: float = Field(13.0, description="same ten digits")
    phone_differs: float = Field(-2.0, description="phone numbers change")
    zip: float = Field(10.0, description="same five digits")
    zip_near: float = Field(5.0, description="same first three digits, or same city and state")
    zip_differs: float = Field(-4.0, description="another part of the country")


class PharmacyIdentitySettings(Section):
    """Contract pharmacies without NPI found again in `pharmacies` (docs/pharmacy-identity.md)."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="least confidence at which it is asserted")
    margin: NonNegative = Field(3.0, description="log2 units by which the best NPI must beat the second best")
    prior: float = Field(-15.0, description="log2 odds that two places are one before anything is compared")
    weights: PharmacyIdentityWeights = PharmacyIdentityWeights()
    name_agrees: Fraction = Field(0.92, description="least Jaro-Winkler similarity of names that agree")
    name_near: Fraction = Field(0.85, description="least Jaro-Winkler similarity of names that are near")
    street_agrees: Fraction = Field(0.85, description="least similarity of the words of streets that agree")
    most_candidates_per_block: PositiveInt = Field(
        10_000, description="pairs that would share a ZIP, phone...; a block with more is skipped"
    )


class MatchRateSettings(Section):
    """When a source's month counts as a feed problem: fewer of its claims link than in its other months."""

    largest_drop: Fraction = Field(0.3, description="part of its usual match rate by which a month may be lower")
    least_expected: PositiveInt = Field(10, description="links to expect in the month; with fewer nothing is reported")
    comparable_size: Fraction = Field(
        0.2, description="share of the month's claims that another month must have to count as usual"
    )
    significance: Fraction = Field(0.001, description="chance of one false alarm in a run, at most")


class LinkSettings(Section):
    """Linking rebate claims to 340B claims; tiers of domain part 4.3."""

    days_apart: Annotated[int, Field(ge=0, le=31)] = Field(
        3, description="between the dates of service of a rebate claim and a 340B claim, at most"
    )
    days_apart_by_mail: Annotated[int, Field(ge=0, le=31)] = Field(7, description="the same for mail_pharmacies")
    mail_pharmacies: tuple[str, ...] = Field((), description="NPIs of mail-order and specialty pharmacies")
    quantity_tolerance_exact: Fraction = Field(0.01, description="relative difference of equal quantities, at most")
    quantity_tolerance_near: Fraction = Field(0.05, description="relative difference of similar quantities, at most")
    most_pairs_per_key: PositiveInt = Field(
        10_000, description="payers' rows x entities' rows of one key; a key with more is excluded and counted"
    )
    fill_offsets: dict[str, int] = Field(
        default_factory=dict,
        description="340B id or payer: number of its first fill, where known; others are learned",
    )
    offset_pairs: PositiveInt = Field(5, description="pairs that a source needs before its offset is learned")
    offset_share: Annotated[float, Field(gt=0.5, le=1)] = Field(0.8, description="of them that must agree on it")
    least_probability: Fraction = Field(0.0, description="pairs less likely to be one dispense are left alone")
    learn_weights: bool = Field(True, description="false: the priors as they are")
    prior_pairs: PositiveInt = Field(50, description="how many counted pairs the priors are worth")
    most_sampled_claims: PositiveInt = Field(2_000, description="340B claims from which chance agreement is counted")
    block_priors: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: {
            "PRESCRIPTION": 0.95,
            "PHARMACY_LINEAGE": 0.9,
            "PLACE_OF_SERVICE": 0.9,
            "TUPLE": 0.9,
        },
        description="share of pairs of one dispense among candidate pairs of this blocking rule, before estimation",
    )
    level_priors: dict[str, dict[str, LevelPrior]] = Field(
        default_factory=lambda: _priors(
            date_of_service={"SAME": (0.88, 0.07), "NEAR": (0.11, 0.4), "FAR": (0.01, 0.53)},
            product_and_quantity={
                "NDC11/EXACT": (0.88, 0.02),
                "NDC11/CONVERTED": (0.02, 0.001),
                "NDC11/NEAR": (0.02, 0.002),
                "NDC11/FAR": (0.02, 0.02),
                "NDC11/UNKNOWN": (0.01, 0.004),
                "NDC9/EXACT": (0.03, 0.003),
                "NDC9/CONVERTED": (0.002, 0.0005),
                "NDC9/NEAR": (0.002, 0.0005),
                "NDC9/FAR": (0.006, 0.005),
                "NDC9/UNKNOWN": (0.001, 0.001),
                "OTHER": (0.009, 0.943),
            },
            fill_number={"EQUAL": (0.97, 0.45), "DIFFERENT": (0.03, 0.55)},
            prescriber_npi={"SAME": (0.97, 0.1), "DIFFERENT": (0.03, 0.9)},
            bin={"SAME": (0.97, 0.15), "DIFFERENT": (0.03, 0.85)},
        ),
        description="m and u probability of each comparison level by field, before anything was counted",
    )
    pharmacy_identity: PharmacyIdentitySettings = PharmacyIdentitySettings()
    match_rates: MatchRateSettings = MatchRateSettings()

    @field_validator("block_priors", "level_priors")
    @classmethod
    def _whole(cls, priors: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """All of it or none: a part would leave the rest without a prior."""
        expected = cls.model_fields[str(info.field_name)].get_default(call_default_factory=True)
        if _names(priors) != _names(expected):
            raise ValueError(f"expected all of {', '.join(_names(expected))}")
        return priors


def _names(priors: Mapping[str, Any]) -> list[str]:
    """Names of levels with their field's before them, or of what has no levels."""
    return sorted(
        f"{name}.{level}" if level else name
        for name, levels in priors.items()
        for level in (levels if isinstance(levels, dict) else [""])
    )


class PeerSettings(Section):
    """Typical values of a feature among its peers."""

    minimum: PositiveInt = Field(20, description="fewer peers: no z-score")
    sample_per_stratum: PositiveInt = Field(500, description="peers used for medians, chosen by hash")
    scale_floor: NonNegative = Field(0.05, description="least scale, as a part of the median's size")
    cap: NonNegative = Field(10.0, description="largest size of a z-score")


class RuleSettings(Section):
    """One rule: on or off, and its thresholds."""

    enabled: bool | None = Field(None, description="null: the default of the rule")
    thresholds: dict[str, float | int | str | list[str]] = Field(
        default_factory=dict, description="by the names that the page of rules lists"
    )


_SEED = 20_260_101


Inputs = Literal["surprise", "z"]
_INPUTS: Any = Field(
    "surprise",
    description="surprise: how far out each of the subject's `measures` is among its peers, in natural log units of "
    "probability; z: robust z-scores of the subject's `features`",
)


class PowerSumSettings(Section):
    """How far out the measures of a row lie together: (sum of surprises to the power of the exponent)^(1/exponent)."""

    kind: Literal["power_sum"] = "power_sum"
    inputs: Literal["surprise"] = _INPUTS
    exponent: Annotated[float, Field(ge=1)] = Field(
        2.0, description="1: the sum; the larger, the more one extreme value counts against several small deviations"
    )


class IsolationForestSettings(Section):
    """Arguments of scikit-learn's IsolationForest."""

    kind: Literal["isolation_forest"] = "isolation_forest"
    inputs: Inputs = _INPUTS
    trees: PositiveInt = Field(200, description="n_estimators")
    rows_per_tree: PositiveInt = Field(256, description="max_samples")
    seed: int = Field(_SEED, description="of its random numbers")


class EcodSettings(Section):
    """PyOD's ECOD: tails of each feature's distribution."""

    kind: Literal["ecod"] = "ecod"
    inputs: Inputs = _INPUTS
    rows: PositiveInt = Field(20_000, description="of the training sample, chosen by the seed: kept with the model")
    seed: int = Field(_SEED, description="of its random numbers")


class CopodSettings(Section):
    """PyOD's COPOD: tails of each feature's distribution, the two sides averaged."""

    kind: Literal["copod"] = "copod"
    inputs: Inputs = _INPUTS
    rows: PositiveInt = Field(20_000, description="of the training sample, chosen by the seed: kept with the model")
    seed: int = Field(_SEED, description="of its random numbers")


class HbosSettings(Section):
    """PyOD's HBOS: a histogram of each feature."""

    kind: Literal["hbos"] = "hbos"
    inputs: Inputs = _INPUTS
    bins: Annotated[int, Field(ge=2)] = Field(10, description="per histogram")
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="added to densities")
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="part of a bin's width by which a value may lie outside and still be in the outermost bin"
    )


class LodaSettings(Section):
    """PyOD's LODA: histograms of random projections."""

    kind: Literal["loda"] = "loda"
    inputs: Inputs = _INPUTS
    cuts: PositiveInt = Field(100, description="random projections")
    bins: Annotated[int, Field(ge=2)] = Field(10, description="per histogram")
    seed: int = Field(_SEED, description="of its random numbers")


class RankCombinationSettings(Section):
    """Highest rank that other detectors give among the training rows."""

    kind: Literal["rank_combination"] = "rank_combination"
    inputs: Inputs = _INPUTS
    members: tuple[str, ...] = Field(
        ("isolation_forest", "power_sum"),
        min_length=2,
        description="names of other `detectors` with the same inputs, no combinations",
    )
    rows: PositiveInt = Field(20_000, description="of the training sample, chosen by the seed: ranked against")
    seed: int = Field(_SEED, description="of its random numbers")


DetectorSettings = Annotated[
    PowerSumSettings
    | IsolationForestSettings
    | EcodSettings
    | CopodSettings
    | HbosSettings
    | LodaSettings
    | RankCombinationSettings,
    Field(discriminator="kind"),
]
SHIPPED_DETECTORS: dict[str, DetectorSettings] = {
    "power_sum": PowerSumSettings(),
    "isolation_forest": IsolationForestSettings(),
    "isolation_forest_z": IsolationForestSettings(inputs="z"),
    "ecod": EcodSettings(),
    "copod": CopodSettings(),
    "hbos": HbosSettings(),
    "loda": LodaSettings(),
    "rank_combination": RankCombinationSettings(),
}
# Kinds that earlier versions offered; a model of theirs consists of training rows.
_REMOVED_KINDS = ("knn", "lof")


class SubjectModelSettings(Section):
    """Training of the anomaly model of one kind of rows."""

    detector: str = Field("power_sum", description="one of `model.detectors`; used from the next training on")
    training_rows: PositiveInt = Field(200_000, description="rows sampled by hash of their id")
    minimum_training_rows: PositiveInt = Field(200, description="fewer rows: no model is trained")


class ClaimModelSettings(SubjectModelSettings):
    """The anomaly model of rebate claims."""

    features: tuple[ClaimFeature, ...] = Field(CLAIM_FEATURES, description="read by detectors with inputs z")
    measures: tuple[ClaimMeasure, ...] = Field(CLAIM_MEASURES, description="read by detectors with inputs surprise")
    baseline_feature: ClaimFeature = Field(
        "f24_units_per_prescription", description="its robust z-score is what the model is compared with"
    )


class InvoiceModelSettings(SubjectModelSettings):
    """The anomaly model of invoice lines."""

    features: tuple[InvoiceFeature, ...] = Field(INVOICE_FEATURES, description="read by detectors with inputs z")
    measures: tuple[InvoiceMeasure, ...] = Field(INVOICE_MEASURES, description="read by detectors with inputs surprise")
    baseline_feature: InvoiceFeature = Field(
        "f48_paid_per_unit", description="its robust z-score is what the model is compared with"
    )


class FlagSettings(Section):
    """How many of the scored rows are flagged."""

    by: Literal["false_discovery_rate", "capacity"] = Field(
        "false_discovery_rate", description="which of the two limits decides how many rows are flagged"
    )
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="expected part of ordinary rows among the flagged ones, at most"
    )
    capacity: PositiveInt = Field(1_000, description="rows flagged at most, the rarest first")


class GroupSettings(Section):
    """Months of pharmacies, prescribers and covered entities that stand out; see docs/calibration.md."""

    enabled: bool = Field(True, description="false: months are not compared")
    budget: PositiveInt = Field(50, description="months flagged at most per subject, the strongest evidence first")
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="expected part of usual months among the flagged ones, at most"
    )
    minimum_claims: PositiveInt = Field(
        10, description="claims of the month, and of the group's other months, at least"
    )
    minimum_months: PositiveInt = Field(6, description="other months in which the group has claims, at least")
    minimum_peers: PositiveInt = Field(20, description="other groups that it is compared with, at least")
    minimum_compared: PositiveInt = Field(200, description="comparable months that the usual range rests on, at least")


class RerankerSettings(Section):
    """p(valid) of findings, learned from reviews; see docs/models.md."""

    enabled: bool = Field(True, description="false: none is trained, and priority.probability_valid orders the queue")
    features: tuple[FindingFeature, ...] = Field(FINDING_FEATURES, min_length=1, description="that it reads")
    minimum_of_each: PositiveInt = Field(
        50, description="valid and not valid findings among those drawn at RANDOM, each; with fewer none is trained"
    )
    inverse_penalty: Annotated[float, Field(gt=0)] = Field(
        1.0, description="C of scikit-learn's LogisticRegression: smaller holds weights closer to 0"
    )
    folds: Annotated[int, Field(ge=2)] = Field(5, description="each is calibrated on, and evaluated, by the others")
    isotonic_rows: PositiveInt = Field(
        5_000, description="RANDOM rows from which on the calibration may take any rising form, below them a sigmoid"
    )
    seed: int = Field(_SEED, description="of its random numbers")

    @model_validator(mode="after")
    def _folds_hold_both_kinds(self) -> RerankerSettings:
        if self.minimum_of_each < 2 * self.folds:
            raise ValueError(f"expected minimum_of_each of at least twice the folds, {2 * self.folds}")
        return self


class EvaluationSettings(Section):
    """How a trained model is measured; see docs/models.md."""

    resamples: PositiveInt = Field(200, description="of pharmacies (invoices: states), for the intervals")
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="share of resamples within an interval")
    seed: int = Field(_SEED, description="of the resamples")
    minimum_decisions: PositiveInt = Field(20, description="of each kind, DISPUTE and DISMISS; fewer are not evaluated")
    minimum_planted: PositiveInt = Field(20, description="with fewer planted rows no version is shown to be better")
    drift_minimum_rows: PositiveInt = Field(1_000, description="on either side; with fewer no drift is given")
    notable_drift: NonNegative = Field(0.25, description="population stability index that `detect` makes a note of")


class ModelSettings(Section):
    """The anomaly models."""

    claims: ClaimModelSettings = ClaimModelSettings()
    invoices: InvoiceModelSettings = InvoiceModelSettings()
    detectors: dict[str, DetectorSettings] = Field(
        SHIPPED_DETECTORS, description="by name; the shipped ones stay unless they are given another kind"
    )
    flags: FlagSettings = FlagSettings()
    groups: GroupSettings = GroupSettings()
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="part of the rows that the detector does not learn from, kept to compare scores with"
    )
    calibration_rows: PositiveInt = Field(500_000, description="held-out rows kept with the model, sampled by hash")
    strata: tuple[Literal["ndc9", "drug_category", "all"], ...] = Field(
        ("all",),
        min_length=1,
        description="rows are compared within the finest that is large enough: NDC-9 or drug category, x program",
    )
    stratum_minimum: PositiveInt = Field(
        200, description="held-out rows that a stratum needs before it is judged on its own"
    )
    batch_rows: PositiveInt = Field(50_000, description="rows per Arrow batch while scoring")
    review_capacity: PositiveInt = Field(1_000, description="rows that analysts can review: evaluated at this many")
    evaluation_rows: PositiveInt = Field(500_000, description="unlabelled rows sampled by hash for the evaluation")
    evaluation: EvaluationSettings = EvaluationSettings()
    reranker: RerankerSettings = RerankerSettings()

    @field_validator("detectors", mode="before")
    @classmethod
    def _beside_the_shipped(cls, given: Any) -> Any:
        """Parameters given to a shipped detector change these alone."""
        if not isinstance(given, Mapping):
            return given
        detectors: dict[str, Any] = {**SHIPPED_DETECTORS, **given}
        for name, parameters in given.items():
            if isinstance(parameters, Mapping) and parameters.get("kind") in _REMOVED_KINDS:
                raise ValueError(
                    f"{name}: the kind {parameters['kind']} keeps training rows and is no longer offered; "
                    "use power_sum or isolation_forest"
                )
            shipped = SHIPPED_DETECTORS.get(name)
            if shipped and isinstance(parameters, Mapping) and parameters.get("kind", shipped.kind) == shipped.kind:
                detectors[name] = {**shipped.model_dump(), **parameters}
        return detectors

    def features_of(self, subject: Subject, inputs: str) -> tuple[str, ...]:
        """What a detector with these inputs reads of the subject."""
        of_subject = self.of(subject)
        return of_subject.features if inputs == "z" else of_subject.measures

    def of(self, subject: Subject) -> ClaimModelSettings | InvoiceModelSettings:
        """The settings of a subject's model; claims of covered entities have those of rebate claims."""
        return self.invoices if subject is Subject.INVOICE else self.claims

    def using(self, subject: Subject, detector: str) -> ModelSettings:
        """The same settings with another detector for the subject."""
        name = "invoices" if subject is Subject.INVOICE else "claims"
        return self.model_copy(update={name: self.of(subject).model_copy(update={"detector": detector})})


class MlflowSettings(Section):
    """Where models are registered and runs are recorded."""

    tracking_uri: str | None = Field(None, description="default: a sqlite file in the output folder")
    registry_uri: str | None = Field(None, description="default: the tracking store")
    experiment: str = Field("drug-discount-claims", description="its name; made on first use")
    artifact_location: str | None = Field(None, description="default: a folder next to the sqlite file")
    claims_model: str = Field("claim-anomalies", description="registered model of claims")
    invoices_model: str = Field("invoice-anomalies", description="registered model of invoice lines")
    reranker_model: str = Field("finding-reranker", description="registered re-ranker of findings")
    alias: str = Field("champion", description="of the version that is used")

    @field_validator("artifact_location")
    @classmethod
    def _without_credentials(cls, location: str | None) -> str | None:
        if location is not None and masked(location) != location:
            raise ValueError("it holds a credential and would be stored in MLflow: give that in the environment")
        return location


class PrioritySettings(Section):
    """priority = p(valid) x amount - handling cost - p(not valid) x interest on the amount."""

    probability_valid: dict[Evidence, Fraction] = Field(
        default_factory=lambda: {
            Evidence.STRONG: 0.9,
            Evidence.MEDIUM: 0.6,
            Evidence.WEAK: 0.2,
            Evidence.CONTEXT: 0.02,
        },
        description="p(valid) where no re-ranker is champion; of STRONG findings the least that one may give them",
    )
    prior_answers: PositiveInt = Field(
        30, description="answers that probability_valid is worth where counterparties answered disputes of a rule"
    )
    handling_cost: NonNegative = Field(15.0, description="US dollars per finding")
    annual_interest: Fraction = Field(0.05, description="on amounts withheld in the end wrongly")
    share_at_issue: Fraction = Field(
        0.1, description="part of a claim's worth that ranks it if no rule states the units at issue (the model alone)"
    )
    days_withheld: PositiveInt = Field(90, description="for which interest is due when a dispute is rejected")


class ReviewSettings(Section):
    """The analysts' workbook."""

    rows_per_sheet: Annotated[int, Field(gt=1, le=1_048_575)] = Field(
        1_000_000, description="more lines continue on a further sheet"
    )
    findings_per_workbook: PositiveInt = Field(200_000, description="more findings continue in a further workbook")
    findings_with_claims: Annotated[int, Field(ge=0)] = Field(
        50_000, description="findings of a workbook whose claims are shown side by side, first of the queue first"
    )


class ReportSettings(Section):
    """report.html; no part of it changes a result."""

    findings: Annotated[int, Field(ge=0)] = Field(200, description="findings listed, first of the queue first")
    top: PositiveInt = Field(15, description="covered entities, pharmacies, states, labelers and products listed")
    volume_change: Annotated[float, Field(gt=0)] = Field(
        0.2, description="change of a source's rows from its earlier quarters from which on it is reported"
    )
    least_rows: PositiveInt = Field(50, description="rows a quarter below which a source is not compared")


class ContactSettings(Section):
    """Who answers for the labeler, in the header of dispute forms."""

    name: str | None = Field(None, description="labeler contact")
    phone: str | None = Field(None, description="as it is to be printed")
    fax: str | None = Field(None, description="as it is to be printed")
    email: str | None = Field(None, description="as it is to be printed")


class DisputeSettings(Section):
    """Files that leave the company."""

    unmasked_rx_recipients: tuple[str, ...] = Field(
        (), description="payers, states and entities that get whole Rx numbers; others get the last four characters"
    )
    contact: ContactSettings = ContactSettings()
    draft_formats: tuple[Literal["csv", "xlsx", "pdf"], ...] = Field(
        ("csv", "xlsx"), description="of the forms that `detect` drafts; final forms are written in all three"
    )
    fill_other_amounts: bool = Field(
        False, description="fill the money columns L, M and N of ROSI, L and M of PQAS too; unverified: their signs"
    )
    interest: dict[str, Decimal] = Field(
        default_factory=dict, description="US dollars of interest in the footer of forms, by `STATE/YYYYQn`"
    )
    mfp_justification_code: str | None = Field(
        None, description="code with which MFP refunds are answered; without it their lines stay drafts"
    )
    most_of_entity: Fraction = Field(
        0.5, description="part of one covered entity's 340B claims in dispute, more of which warns of a blanket dispute"
    )
    blanket_claims: PositiveInt = Field(10, description="claims of an entity in dispute, fewer of which never warn")


class RedactionSettings(Section):
    """Redaction for readers without a need to know; no part of it changes a result."""

    on: bool = Field(
        False,
        description="Rx numbers masked, prices and amounts removed, in review files, report, tickets and drafts; small "
        "counts suppressed in the report",
    )
    least_count: PositiveInt = Field(11, description="the least count that a redacted report shows (CMS: 11)")


class TicketSettings(Section):
    """The file of tickets for an issue tracker."""

    per: Literal["finding", "case"] = Field(
        "finding", description="a ticket for each finding of the queue, or for each case"
    )
    most: Annotated[int, Field(ge=0)] = Field(
        250, description="tickets at most, first of the queue first; 250 is what JIRA imports without an administrator"
    )
    keys: str | None = Field(
        None, description="CSV file exported from JIRA with External issue ID and Issue key, so that issues are updated"
    )


class DeadlineSettings(Section):
    """Legal terms from which deadlines are counted."""

    days_after_postmark: PositiveInt = Field(37, description="last day without interest")
    mfp_days_after_receipt: PositiveInt = Field(14, description="prompt payment of MFP refunds, US Eastern time")
    dispute_quarters: PositiveInt = Field(12, description="quarters in which a Medicaid invoice may be disputed")
    dispute_quarters_from: Literal["POSTMARK", "PERIOD"] = Field(
        "POSTMARK", description="quarter after which they are counted: the postmark's if known, or the period covered"
    )


class TieOutSettings(Section):
    """Invoice against claim-level detail: parts of the units invoiced by which they may differ."""

    red: Fraction = Field(0.10, description="above it a line is red: no claim of it is offered for dispute")
    yellow: Fraction = Field(0.005, description="above it a line is yellow")

    @model_validator(mode="after")
    def _in_order(self) -> TieOutSettings:
        if self.yellow > self.red:
            raise ValueError("yellow must not exceed red")
        return self


class CounterpartySettings(Section):
    """How a counterparty is named and reached."""

    name: str | None = Field(None, description="of the agency or company, as people know it")
    contact: str | None = Field(None, description="whom to write to or call, in a line")


class CaseSettings(Section):
    """Findings by counterparty and root cause. Names and contacts of covered entities come from `covered_entities`."""

    counterparties: dict[str, CounterpartySettings] = Field(
        default_factory=dict, description="by state postal code or payer id"
    )


class QueueSettings(Section):
    """The review queue, in the order of priority. Findings whose priority is below zero are not in it."""

    capacity: PositiveInt | None = Field(
        None, description="findings that can be looked at, random ones included; default: all that are worth it"
    )
    random_share: Fraction = Field(0.05, description="part of the capacity drawn at random from the other findings")
    minimum_claim_amount: NonNegative = Field(
        0.0, description="US dollars at issue below which a finding is not in the queue"
    )
    minimum_case_amount: NonNegative = Field(
        0.0, description="open US dollars below which no finding of a case is in the queue"
    )


class MessSettings(Section):
    """How differently payers and covered entities write down one dispense (domain part 4.2).

    Unless stated otherwise, a rate is of the dispenses that an entity reports. Not all kinds occur on one dispense:
    what is needed to link it stays. By default nothing is so bad that tiers T1 to T4 would not link it.
    """

    padded_rx_rate: Fraction = Field(0.02, description="of rows: Rx number filled with zeros to 12 digits")
    suffixed_rx_rate: Fraction = Field(0.01, description="of rows: fill number appended to the Rx number")
    hyphenated_ndc_rate: Fraction = Field(0.02, description="of rows: NDC with hyphens")
    ncpdp_only_rate: Fraction = Field(0.01, description="of rebate rows of retail pharmacies: no NPI, NCPDP id only")
    missing_fill_rate: Fraction = Field(0.12, description="fill number unknown to payer or entity")
    shifted_date_rate: Fraction = Field(0.12, description="the entity's date one to three days off")
    other_package_rate: Fraction = Field(0.05, description="the entity names another package of the drug")
    parent_id_rate: Fraction = Field(0, description="a child site reports under its parent's 340B id")
    other_prescriber_rate: Fraction = Field(0, description="prescriber unknown to a side, or another of the practice")
    quantity_in_packages_rate: Fraction = Field(0, description="the entity counts packages instead of units")
    npi_succession_rate: Fraction = Field(0, description="one side still uses the pharmacy's NPI of before it changed")
    central_fill_rate: Fraction = Field(0, description="the payer names the retailer, the entity the filling pharmacy")
    missing_rx_rate: Fraction = Field(0, description="Rx number of a side is no number, such as 0 or 12")
    fill_offset_rate: Fraction = Field(0, description="of payers and of entities: count fills from 1")
    hashed_entity_rate: Fraction = Field(0, description="of entities: hash Rx numbers that payers send plain")
    both_hashed_rate: Fraction = Field(0, description="of entities: Rx numbers hashed by payers too, in one scheme")
    stranger_rate: Fraction = Field(
        0, description="another person's claim with the same pharmacy and Rx number within three days, on one side"
    )

    @model_validator(mode="after")
    def _entities_are_enough(self) -> MessSettings:
        if self.hashed_entity_rate + self.both_hashed_rate > 1:
            raise ValueError("hashed_entity_rate and both_hashed_rate are more than all entities together")
        return self


class SyntheticSettings(Section):
    """Rates of the generated claims; base rates of domain part 3.6."""

    medicaid_share_340b: Fraction = Field(0.12, description="of Medicaid dispenses: filled with 340B stock")
    other_share_340b: Fraction = Field(0.12, description="of commercial and Medicare dispenses: 340B stock")
    duplicate_discount_rate: Fraction = Field(
        0, description="of dispenses of 340B stock without a planted case: the payer also bills a rebate"
    )
    violation_rate: Fraction = Field(0.002, description="of dispenses, per planted rule")
    look_alike_rate: Fraction = Field(0.002, description="of dispenses, per kind of look-alike")
    combination_rate: Fraction = Field(0.00004, description="of dispenses, per combination of planted cases")
    anomaly_rate: Fraction = Field(0.0005, description="of dispenses, per kind of oddity that no rule describes")
    late_reversal_rate: Fraction = Field(0.0005, description="of dispenses: reversed after the claim was received")
    reversal_rate: Fraction = Field(0.08, description="of pharmacy dispenses: reversed, billed again or not")
    partial_fill_rate: Fraction = Field(0.015, description="of Medicaid dispenses: filled in two parts")
    refill_rate: Fraction = Field(0.4, description="of dispenses: a further fill of an earlier prescription")
    redelivered_rate: Fraction = Field(0.002, description="of rebate claims: sent twice")
    adjusted_rate: Fraction = Field(0.02, description="of rebate claims: adjusted or voided")
    medical_rate: Fraction = Field(0.05, description="of dispenses: given by a provider and billed with HCPCS")
    third_party_rate: Fraction = Field(0.03, description="of Medicaid claims: others paid a part")
    dashed_quarter_rate: Fraction = Field(0.01, description="of rebate rows: period as 2025-Q1")
    mess: MessSettings = MessSettings()
    dispenses_per_chunk: PositiveInt = Field(50_000, description="generated at a time; part of the random seed")


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


# Path of a setting, its value, and where it was set.
_Given = tuple[tuple[str, ...], Any, str]
RuleProblems = Callable[[Mapping[str, RuleSettings], str], Iterable[Problem]]


def load_settings(
    config: str | Path | None,
    overrides: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    home: Path = Path(),
    rule_problems: RuleProblems | None = None,
) -> Settings:
    """Read the settings; every mistake in them is reported at once.

    `overrides` are `a.b=value` words, values in YAML. `home` is where the shipped `rules_file` and
    `reference_folder` are found if not below the working folder. `rule_problems` knows the rules, which settings do
    not, and says what is wrong with the section `rules` and the dispute codes. Raises ConfigurationError.
    """
    problems: list[Problem] = []
    words = list(overrides)
    values = _read_yaml(Path(config), problems) if config else {}
    origins: dict[tuple[str, ...], str] = {}
    remember_environment(environment or {})
    from_environment = _environment_values(environment or {}, problems)
    for path, value, origin in (*from_environment, *_override_values(words, problems)):
        _put(values, path, value)
        origins[path] = origin
    remember_secrets(values)
    for name in ("rules_file", "reference_folder"):
        values[name] = _shipped(str(values.get(name, Settings.model_fields[name].default)), home)
    rules_file = Path(values["rules_file"])
    if rules_file.exists():
        rules_from_file = _read_yaml(rules_file, problems)
        values["rules"] = _merged(rules_from_file, values.get("rules") or {})
    else:
        problems.append(Problem("the rules file does not exist", f"rules_file: {rules_file}", to_do="correct its path"))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        where = str(config) if config else "the settings"
        problems.extend(_problem(detail, where, origins) for detail in error.errors())
    else:
        _remember_database_secrets(settings, environment or {})
        problems.extend(_unknown_connections(settings, str(config) if config else "the settings"))
        problems.extend(_unknown_format_columns(settings.input, str(config) if config else "the settings"))
        problems.extend(_unknown_detectors(settings.model, str(config) if config else "the settings"))
    if rule_problems is not None:
        problems.extend(rule_problems(_readable_rules(values.get("rules")), str(values["reference_folder"])))
    if problems:
        raise ConfigurationError(problems)
    settings._command_line = (
        *(("--config", str(config)) if config else ()),
        *(part for word in words for part in ("--set", word) if not word.startswith("as_of=")),
    )
    return settings


def _remember_database_secrets(settings: Settings, environment: Mapping[str, str]) -> None:
    """Register secrets so no message shows them. A missing secret is reported when its connection is opened."""
    for database in settings.databases.values():
        for secret in (database.password, database.connection_string):
            if secret is None:
                continue
            if secret.environment is not None:
                remember_secrets({"password": environment.get(secret.environment, "")})
            elif secret.file is not None:
                with suppress(OSError, UnicodeDecodeError):
                    remember_secrets({"password": Path(secret.file).read_text(encoding="utf-8")})


def _unknown_connections(settings: Settings, where: str) -> Iterable[Problem]:
    """Connections that are used but not described in `databases`."""
    used = {f"input.tables.{name}": location.connection for name, location in settings.input.tables.items()}
    used |= {
        "input": settings.input.connection,
        "output": settings.output.connection,
        "feedback": settings.feedback.connection,
    }
    for place, name in used.items():
        if name is not None and name not in settings.databases:
            known = ", ".join(settings.databases) or "none"
            yield Problem(
                f"unknown connection in {place}.connection",
                where,
                name,
                f"one of databases: {known}",
                did_you_mean(name, settings.databases, f"describe it in databases.{name}"),
            )


def _unknown_format_columns(settings: InputSettings, where: str) -> Iterable[Problem]:
    """Formats declared for columns that the table does not have, or that are of another kind."""
    for name, location in settings.tables.items():
        for setting, by_column in location.formats.by_setting.items():
            known = [column.name for column in TABLES[name].columns if column.kind in _KINDS_WITH[setting]]
            for column in by_column.keys() - {DEFAULT, *known}:
                yield Problem(
                    f"wrong column in input.tables.{name}.{setting}",
                    where,
                    column,
                    f"{DEFAULT}, or one of {', '.join(known) or 'no column'}",
                    did_you_mean(column, known, "remove it"),
                )


def _unknown_detectors(model: ModelSettings, where: str) -> Iterable[Problem]:
    """Detectors that are to be used or combined and are not in `model.detectors`. Combinations combine no combinations,
    and only detectors with their own inputs.
    """
    single = {
        inputs: [
            name
            for name, one in model.detectors.items()
            if not isinstance(one, RankCombinationSettings) and one.inputs == inputs
        ]
        for inputs in typing.get_args(Inputs)
    }
    used = [
        ("model.claims.detector", model.claims.detector, list(model.detectors)),
        ("model.invoices.detector", model.invoices.detector, list(model.detectors)),
    ]
    for name, one in model.detectors.items():
        if isinstance(one, RankCombinationSettings):
            used += [(f"model.detectors.{name}.members", member, single[one.inputs]) for member in one.members]
    for place, name, known in used:
        if name not in known:
            yield Problem(
                f"unknown detector in {place}",
                where,
                name,
                f"one of {', '.join(known)}",
                did_you_mean(name, known, f"describe it in model.detectors.{name}"),
            )


def _readable_rules(section: Any) -> dict[str, RuleSettings]:
    """The rules whose settings have the right form; of the others it has been said already that they have not."""
    rules = {}
    for name, given in section.items() if isinstance(section, Mapping) else ():
        try:
            rules[str(name)] = RuleSettings.model_validate(given)
        except ValidationError:
            continue
    return rules


def _shipped(path: str, home: Path) -> str:
    return str(home / path) if "://" not in path and not Path(path).exists() and (home / path).exists() else path


def _read_yaml(path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(
            Problem("the configuration file does not exist", str(path), to_do="correct the path in --config")
        )
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem("the configuration file cannot be read", str(path), _unreadable_file(error)))
        return {}
    except _UNREADABLE as error:
        problems.append(Problem("the configuration file cannot be read as YAML", str(path), _yaml_problem(error)))
        return {}
    if content is None:
        return {}
    if not isinstance(content, dict):
        problems.append(
            Problem(
                "the configuration file holds no settings",
                str(path),
                type(content).__name__,
                "keys and values, such as `output: {root: output}`",
            )
        )
        return {}
    return content


def _unreadable_file(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"bytes that are not UTF-8, at byte {error.start}"
    return str(error.strerror or type(error).__name__)


def _environment_values(environment: Mapping[str, str], problems: list[Problem]) -> Iterator[_Given]:
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        path = tuple(part.lower() for part in name.removeprefix(ENVIRONMENT_PREFIX).split("__"))
        if path[0] == "rules":  # rule ids are the only names in capitals
            path = tuple(part.upper() if _RULE_ID.fullmatch(part) else part for part in path)
        try:
            value = yaml.safe_load(environment[name])
        except _UNREADABLE as error:
            problems.append(
                Problem(
                    "an environment variable cannot be read as YAML",
                    f"environment variable {name}",
                    f"{_yaml_problem(error)} (its value is not shown)",
                    "a value in YAML; text with special characters in quotes",
                    f"correct {name}, or unset it",
                )
            )
            continue
        yield path, value, f"{_ENVIRONMENT_ORIGIN}{name}"


def _override_values(overrides: Iterable[str], problems: list[Problem]) -> Iterator[_Given]:
    for word in overrides:
        key, equals, text = word.partition("=")
        path = _path_of(key.strip())
        if not equals or not key.strip():
            shown = word if _SETTING_NAME.fullmatch(word) else f"{MASK} (not shown: it may be a secret)"
            problems.append(Problem("an option --set cannot be read", f"--set {shown}", expected="--set a.b=value"))
            continue
        origin = f"--set {key.strip()}={MASK if is_secret_name(key) else text}"
        if text.lstrip().startswith("!"):
            problems.append(
                Problem(
                    "a value of --set begins with a YAML tag",
                    origin,
                    expected="a plain value",
                    to_do="put text that begins with ! in quotes",
                )
            )
            continue
        try:
            value = yaml.safe_load(text)
        except _UNREADABLE:
            value = text
        yield path, value, origin


def _path_of(key: str) -> tuple[str, ...]:
    """The names of a setting; the keys of `spark.conf` have dots of their own."""
    parts = tuple(key.split("."))
    is_of_spark = len(parts) > 3 and parts[:2] == ("spark", "conf")
    return (*parts[:2], ".".join(parts[2:])) if is_of_spark else parts


def _yaml_problem(error: BaseException) -> str:
    """What is wrong, and where, without any of the text: it may hold a secret."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or type(error).__name__
    # what is quoted comes from the text
    words = re.sub(r"('[^']*'|\"[^\"]*\")", "...", " ".join(str(problem).split()))
    return f"line {mark.line + 1}, column {mark.column + 1}: {words}" if mark is not None else words


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        inner = values.get(part)
        if not isinstance(inner, dict):
            inner = values[part] = {}
        values = inner
    values[path[-1]] = value


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def _problem(detail: Any, where: str, origins: Mapping[tuple[str, ...], str]) -> Problem:
    parts = tuple(str(part) for part in detail["loc"] if part != "[key]")
    location = _without_kind(parts)
    key = ".".join(location)
    place = next((origin for path, origin in origins.items() if location[: len(path)] == path), where)
    if detail["type"] == "extra_forbidden" or "[key]" in detail["loc"]:
        known = _keys_at(parts[:-1])
        closest = closest_name(location[-1], known, cutoff=0.5)
        hint = f"did you mean {'.'.join((*location[:-1], closest))}?" if closest else "remove it"
        return Problem(f"unknown setting {key}", place, location[-1], "one of " + ", ".join(known), hint)
    message = detail["msg"].removeprefix("Value error, ")
    found = _shown_input(detail.get("input"), location, place)
    return Problem(f"wrong value for {key}", place, found if len(found) <= 200 else found[:200] + "...", message)


def _shown_input(value: Any, location: tuple[str, ...], place: str) -> str:
    """The value, if it can hold no secret: a connection may have its password in the wrong place, and so may anything
    that comes from the environment or has a part of a secret name.
    """
    is_secret = location[:1] == ("databases",) or is_secret_name(".".join(location))
    is_secret = is_secret or location[:2] == ("spark", "conf")
    if is_secret or place.startswith(_ENVIRONMENT_ORIGIN):
        return ""
    return masked(repr(without_secrets(value)))


def _without_kind(location: tuple[str, ...]) -> tuple[str, ...]:
    """As it is written in the settings: pydantic puts a detector's kind behind its name."""
    return location[:3] + location[4:] if location[:2] == ("model", "detectors") else location


def _keys_at(location: tuple[str, ...]) -> list[str]:
    """The names that are allowed below a path of the settings."""
    annotation: Any = Settings
    for part in location:
        annotation = _below(annotation, part)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    arguments = typing.get_args(annotation)
    return [str(name) for name in typing.get_args(arguments[0])] if typing.get_origin(annotation) is dict else []


def _below(annotation: Any, part: str) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(part)
        return field.annotation if field else None
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1]
    if typing.get_origin(annotation) is Annotated:  # detectors, of which the part names the kind
        kinds = typing.get_args(typing.get_args(annotation)[0])
        return next((one for one in kinds if one.model_fields["kind"].default == part), None)
    return None
