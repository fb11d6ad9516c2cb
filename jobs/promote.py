"""Makes a better model version champion, restores the previous champion, or shows the log of promotions."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from jobs.common import DEFAULT_CONFIG, Config, Output, Set, main, settings_of


def promote(
    config: Config = DEFAULT_CONFIG,
    output: Output = None,
    set: Set = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="NAME or NAME/VERSION. Default: the claims' model; of a model: its best challenger."
        ),
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Restore the previous champion.")] = False,
    log: Annotated[
        bool, typer.Option("--log", help="Show every promotion, one JSON line each; change nothing.")
    ] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who decides. Default: the user of this machine.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Goes into the log. Default: the figures.")] = "",
) -> None:
    """Compares a challenger with the champion; the alias moves only if the challenger is shown to be better.

    Example: ./spark-submit.sh promote --model claim-anomalies/3 --reason "finds more wrong amounts"
    """
    settings = settings_of(config, None, output, None, set)
    from engine import tracking
    from engine.errors import ConfigurationError, Problem

    claims, invoices = settings.model.claims, settings.model.invoices
    features: dict[str, Sequence[str] | Mapping[str, Sequence[str]]] = {
        settings.mlflow.claims_model: {"z": claims.features, "surprise": claims.measures},
        settings.mlflow.invoices_model: {"z": invoices.features, "surprise": invoices.measures},
        settings.mlflow.reranker_model: settings.model.reranker.features,
    }
    name, _, version = (model or settings.mlflow.claims_model).partition("/")
    if name not in features:
        expected = f"{' or '.join(features)}, with /VERSION or without"
        raise ConfigurationError(
            Problem("no model of this configuration has this name", f"--model {model}", name, expected)
        )
    tracker = tracking.Tracker(settings.mlflow, settings.output.root)
    if log:
        for entry in tracking.promotion_log(tracker, name):
            print(entry.to_json())
        return
    if rollback:
        made = tracking.roll_back(tracker, name, by or getpass.getuser(), reason)
    else:
        made = tracking.promote(tracker, name, version or None, features[name], by or getpass.getuser(), reason)
    print(f"{made.model}: version {made.to_version} is {tracker.alias} (before: {made.from_version or 'none'})")
    print(made.reason)


if __name__ == "__main__":
    main(promote)
