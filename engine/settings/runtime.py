"""Settings of the engine that runs a job (`engine.runtime`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.settings.base import Fraction, NonNegative, PositiveInt, Section


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
