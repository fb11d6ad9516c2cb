"""Runs, the registry of models and their aliases. The only room that imports mlflow, and only when it is used."""

from engine.tracking.tracker import FetchedModel, Tracker

__all__ = ["FetchedModel", "Tracker"]
