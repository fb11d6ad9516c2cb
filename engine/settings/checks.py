"""Mistakes in the settings, each with its place, what was expected and what to do."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel

from engine.contracts.formats import DEFAULT
from engine.contracts.tables import TABLES
from engine.errors import Problem, closest_name, did_you_mean
from engine.redaction import is_secret_name, masked, without_secrets
from engine.settings.detectors import Inputs, RankCombinationSettings
from engine.settings.models import ModelSettings
from engine.settings.sections import Settings
from engine.settings.sources import KINDS_WITH, InputSettings

ENVIRONMENT_ORIGIN = "environment variable "


def unknown_connections(settings: Settings, where: str) -> Iterable[Problem]:
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


def unknown_format_columns(settings: InputSettings, where: str) -> Iterable[Problem]:
    """Formats declared for columns that the table does not have, or that are of another kind."""
    for name, location in settings.tables.items():
        for setting, by_column in location.formats.by_setting.items():
            known = [column.name for column in TABLES[name].columns if column.kind in KINDS_WITH[setting]]
            for column in by_column.keys() - {DEFAULT, *known}:
                yield Problem(
                    f"wrong column in input.tables.{name}.{setting}",
                    where,
                    column,
                    f"{DEFAULT}, or one of {', '.join(known) or 'no column'}",
                    did_you_mean(column, known, "remove it"),
                )


def unknown_detectors(model: ModelSettings, where: str) -> Iterable[Problem]:
    """Detectors that are to be used or combined and are not in `model.detectors`. Combinations combine no combinations,
    and only detectors with their own inputs.
    """
    single = {
        inputs: [
            name
            for name, detector in model.detectors.items()
            if not isinstance(detector, RankCombinationSettings) and detector.inputs == inputs
        ]
        for inputs in typing.get_args(Inputs)
    }
    used = [
        ("model.claims.detector", model.claims.detector, list(model.detectors)),
        ("model.invoices.detector", model.invoices.detector, list(model.detectors)),
    ]
    for name, detector in model.detectors.items():
        if isinstance(detector, RankCombinationSettings):
            used += [
                (f"model.detectors.{name}.members", member, single[detector.inputs]) for member in detector.members
            ]
    for place, name, known in used:
        if name not in known:
            yield Problem(
                f"unknown detector in {place}",
                where,
                name,
                f"one of {', '.join(known)}",
                did_you_mean(name, known, f"describe it in model.detectors.{name}"),
            )


def setting_problem(detail: Any, where: str, origins: Mapping[tuple[str, ...], str]) -> Problem:
    """A mistake that pydantic reports, in the words of the settings.

    Args:
        detail: one of the errors of a ValidationError.
        where: the place of values that no option or variable set.
        origins: the option or variable of those that one set, by path.
    """
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
    shown = _shown_input(detail.get("input"), location, place)
    return Problem(f"wrong value for {key}", place, shown if len(shown) <= 200 else shown[:200] + "...", message)


def _shown_input(value: Any, location: tuple[str, ...], place: str) -> str:
    """The value, if it can hold no secret: a connection may have its password in the wrong place, and so may anything
    that comes from the environment or has a part of a secret name.
    """
    is_secret = location[:1] == ("databases",) or is_secret_name(".".join(location))
    is_secret = is_secret or location[:2] == ("spark", "conf")
    if is_secret or place.startswith(ENVIRONMENT_ORIGIN):
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
        return next((kind for kind in kinds if kind.model_fields["kind"].default == part), None)
    return None
