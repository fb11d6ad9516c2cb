"""The whole configuration as one typed object, read from YAML, environment and `--set`.

One module per package that reads the settings; `sections` puts them together, `loading` reads them and `checks` words
what is wrong with them.
"""

from __future__ import annotations

from engine.settings.base import Fraction, NonNegative, PositiveInt, Section
from engine.settings.cases import CaseSettings, CounterpartySettings, QueueSettings
from engine.settings.databases import DatabaseSettings, Secret
from engine.settings.detectors import (
    SHIPPED_DETECTORS,
    CopodSettings,
    DetectorSettings,
    EcodSettings,
    HbosSettings,
    Inputs,
    IsolationForestSettings,
    LodaSettings,
    PowerSumSettings,
    RankCombinationSettings,
)
from engine.settings.exports import (
    ContactSettings,
    DisputeSettings,
    RedactionSettings,
    ReportSettings,
    ReviewSettings,
    TicketSettings,
)
from engine.settings.facts import PeerSettings
from engine.settings.feedback import FeedbackSettings
from engine.settings.findings import DeadlineSettings, PrioritySettings
from engine.settings.link import (
    LevelPrior,
    LinkSettings,
    MatchRateSettings,
    PharmacyIdentitySettings,
    PharmacyIdentityWeights,
)
from engine.settings.loading import ENVIRONMENT_PREFIX, RuleProblems, load_settings
from engine.settings.models import (
    ClaimFeature,
    ClaimMeasure,
    ClaimModelSettings,
    EvaluationSettings,
    FindingFeature,
    FlagSettings,
    GroupSettings,
    InvoiceFeature,
    InvoiceMeasure,
    InvoiceModelSettings,
    ModelSettings,
    RerankerSettings,
    SubjectModelSettings,
)
from engine.settings.positions import TieOutSettings
from engine.settings.rules import RuleSettings
from engine.settings.runs import OutputSettings
from engine.settings.runtime import RuntimeSettings, SparkSettings
from engine.settings.sections import NO_RESULT_SETTINGS, Settings
from engine.settings.sources import CheckSettings, InputSettings, TableLocation, TableName
from engine.settings.synthetic import MessSettings, SyntheticSettings
from engine.settings.tracking import MlflowSettings

__all__ = [
    "ENVIRONMENT_PREFIX",
    "NO_RESULT_SETTINGS",
    "SHIPPED_DETECTORS",
    "CaseSettings",
    "CheckSettings",
    "ClaimFeature",
    "ClaimMeasure",
    "ClaimModelSettings",
    "ContactSettings",
    "CopodSettings",
    "CounterpartySettings",
    "DatabaseSettings",
    "DeadlineSettings",
    "DetectorSettings",
    "DisputeSettings",
    "EcodSettings",
    "EvaluationSettings",
    "FeedbackSettings",
    "FindingFeature",
    "FlagSettings",
    "Fraction",
    "GroupSettings",
    "HbosSettings",
    "InputSettings",
    "Inputs",
    "InvoiceFeature",
    "InvoiceMeasure",
    "InvoiceModelSettings",
    "IsolationForestSettings",
    "LevelPrior",
    "LinkSettings",
    "LodaSettings",
    "MatchRateSettings",
    "MessSettings",
    "MlflowSettings",
    "ModelSettings",
    "NonNegative",
    "OutputSettings",
    "PeerSettings",
    "PharmacyIdentitySettings",
    "PharmacyIdentityWeights",
    "PositiveInt",
    "PowerSumSettings",
    "PrioritySettings",
    "QueueSettings",
    "RankCombinationSettings",
    "RedactionSettings",
    "ReportSettings",
    "RerankerSettings",
    "ReviewSettings",
    "RuleProblems",
    "RuleSettings",
    "RuntimeSettings",
    "Secret",
    "Section",
    "Settings",
    "SparkSettings",
    "SubjectModelSettings",
    "SyntheticSettings",
    "TableLocation",
    "TableName",
    "TicketSettings",
    "TieOutSettings",
    "load_settings",
]
