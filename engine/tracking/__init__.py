"""Runs, the model registry, its aliases and promotions. The only package that imports mlflow, and only when used."""

from engine.tracking.champions import Promotion, same_rows_tags
from engine.tracking.promotion import (
    SETTINGS,
    comparison_tags,
    promote,
    promotion_log,
    roll_back,
)
from engine.tracking.tracker import FetchedModel, Tracker

__all__ = [
    "SETTINGS",
    "FetchedModel",
    "Promotion",
    "Tracker",
    "comparison_tags",
    "promote",
    "promotion_log",
    "roll_back",
    "same_rows_tags",
]
