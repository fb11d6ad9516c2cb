"""Runs, the registry of models, their aliases and promotions. The only room that imports mlflow, and only when used."""

from engine.tracking.promotion import Promotion, comparison_tags, promote, promotion_log, roll_back
from engine.tracking.tracker import FetchedModel, Tracker

__all__ = ["FetchedModel", "Promotion", "Tracker", "comparison_tags", "promote", "promotion_log", "roll_back"]
