"""Starting: an operator that comes before the CRDs waits for both of them, and says so."""

from __future__ import annotations

import logging

import pytest

from tuning_operator.kube import client, operator


class Server:
    """An API server that serves more and more."""

    def __init__(self, *answers: set[str] | Exception) -> None:
        self.answers = list(answers)

    async def get(self, path: str) -> client.Object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"resources": [{"name": name} for name in answer]}


async def test_the_operator_waits_for_the_server_and_for_both_crds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(operator, "FIRST_PAUSE_SECONDS", 0.001)
    missing = client.NotFound(404, "NotFound", "no such group")
    one = {"tuningjobs", "tuningjobs/status"}
    server = Server(ConnectionError("refused"), missing, one, set(operator.KINDS))
    with caplog.at_level(logging.WARNING):
        assert await operator._served(server)  # type: ignore[arg-type]
    assert server.answers == []
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for the API server",
        "waiting for the CRDs",
        "waiting for the CRDs",
    ]
    assert caplog.records[-1].missing == "tuningtrials, tuningtrials/status"  # type: ignore[attr-defined]
