"""JSON schemas of what edgetl stores and prints, made from the very values that it validates them with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import FloatSchema

from edgetl.artifacts import BenchResult, CheckResult, ExportResult, FinetuneResult, QuantizeResult, SweepResult
from edgetl.dataset.values import Dataset
from edgetl.delivery import BundleResult, ReportResult, ShipResult, VerifyResult
from edgetl.evaluation import Evaluation
from edgetl.history import History
from edgetl.measure.doctor import Findings
from edgetl.quantization.explain.values import Explanation
from edgetl.ranking.values import RankResult
from edgetl.training.adapt.values import Adaptation

# By the name of the schema's file: that of the file in a run's folder, or of the command that prints it.
VALUES: Mapping[str, type[BaseModel]] = {
    "adaptation": Adaptation,
    "bench": BenchResult,
    "bundle": BundleResult,
    "check": CheckResult,
    "data": Dataset,
    "doctor": Findings,
    "evaluation": Evaluation,
    "explain": Explanation,
    "export": ExportResult,
    "finetune": FinetuneResult,
    "history": History,
    "quantize": QuantizeResult,
    "rank": RankResult,
    "report": ReportResult,
    "ship": ShipResult,
    "sweep": SweepResult,
    "verify": VerifyResult,
}


class _Stored(GenerateJsonSchema):
    """Schemas of values as they are written: JSON has no number for infinity, so a text stands for it."""

    def float_schema(self, schema: FloatSchema) -> JsonSchemaValue:
        """Return the schema of a number that may be infinite."""
        return {"anyOf": [super().float_schema(schema), {"enum": ["Infinity", "-Infinity", "NaN"]}]}


def schema(value: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a value as edgetl writes it."""
    made = value.model_json_schema(mode="serialization", schema_generator=_Stored)
    return {"$schema": GenerateJsonSchema.schema_dialect, **made}


def texts() -> dict[str, str]:
    """Return the text of each schema by its name."""
    return {name: json.dumps(schema(value), indent=2) + "\n" for name, value in VALUES.items()}
