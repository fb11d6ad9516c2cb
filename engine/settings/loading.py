"""Settings read from YAML, environment and `--set`.

Precedence, highest first: `--set a.b=value`, environment variables `ENGINE__A__B=value`, the YAML file, defaults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from engine.errors import ConfigurationError, Problem
from engine.redaction import MASK, is_secret_name, remember_environment, remember_secrets
from engine.settings.checks import (
    ENVIRONMENT_ORIGIN,
    setting_problem,
    unknown_connections,
    unknown_detectors,
    unknown_format_columns,
)
from engine.settings.rules import RuleSettings
from engine.settings.sections import Settings

ENVIRONMENT_PREFIX = "ENGINE__"
_RULE_ID = re.compile(r"r\d{3}")
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,59}")
# yaml itself raises ValueError for dates that no calendar has.
_UNREADABLE = (yaml.YAMLError, ValueError, RecursionError)
# Path of a setting, its value, and its origin.
_SetValue = tuple[tuple[str, ...], Any, str]
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
    not, and reports what is wrong with the section `rules` and the dispute codes. Raises ConfigurationError.
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
        problems.extend(setting_problem(detail, where, origins) for detail in error.errors())
    else:
        _remember_database_secrets(settings, environment or {})
        problems.extend(unknown_connections(settings, str(config) if config else "the settings"))
        problems.extend(unknown_format_columns(settings.input, str(config) if config else "the settings"))
        problems.extend(unknown_detectors(settings.model, str(config) if config else "the settings"))
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


def _readable_rules(section: Any) -> dict[str, RuleSettings]:
    """The rules whose settings have the right form; the others have been reported already."""
    rules = {}
    for name, values in section.items() if isinstance(section, Mapping) else ():
        try:
            rules[str(name)] = RuleSettings.model_validate(values)
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


def _environment_values(environment: Mapping[str, str], problems: list[Problem]) -> Iterator[_SetValue]:
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
        yield path, value, f"{ENVIRONMENT_ORIGIN}{name}"


def _override_values(overrides: Iterable[str], problems: list[Problem]) -> Iterator[_SetValue]:
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
