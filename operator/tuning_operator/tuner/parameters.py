"""Parameter values as they come back from storage, with the types that the spec gives them.

JSON does not keep apart 1 and 1.0, and the API server writes 1.0 as 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuning_operator.api import job


def typed(spec: job.JobSpec, raw: Mapping[str, int | float | str]) -> dict[str, int | float | str]:
    """The values with floats as floats, in the order of the spec."""
    return {
        item.name: float(raw[item.name]) if item.type is job.ParameterType.FLOAT else raw[item.name]
        for item in spec.parameters
        if item.name in raw
    }
