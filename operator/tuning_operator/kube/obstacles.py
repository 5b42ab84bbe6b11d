"""What is in the way of a new object, and when it is worth while to try again."""

from __future__ import annotations

import datetime

from tuning_operator.kube import client, executor
from tuning_operator.tuner import state

PATIENCE = datetime.timedelta(seconds=15)
"""After the API server refused a Pod for now (a quota, say), the next try comes this much later."""
NAME_PATIENCE = datetime.timedelta(seconds=2)
"""The same after an object was in the way that may be on its way out."""


def of(refusal: client.ApiError | executor.Taken) -> tuple[state.Obstacle, datetime.timedelta]:
    """Why nothing new is started, and after which time to try again."""
    match refusal:
        case client.Refused():
            return state.Obstacle(refusal.circumstance or "Refused", refusal.message), PATIENCE
        case client.ApiError():
            return state.Obstacle("ServerFailing", refusal.message), PATIENCE
        case executor.Taken():
            return state.Obstacle("NameTaken", str(refusal)), NAME_PATIENCE
