"""Refusals told apart, and credentials that are always the newest."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
import pathlib

import certifi
import pytest
from kopf._cogs.structs import credentials
from kubernetes.aio import client as official
from kubernetes.aio.config import incluster_config, kube_config

from tuning_operator.kube import client, watching


def refusal(code: int, message: str) -> client.ApiError:
    with pytest.raises(client.ApiError) as raised:
        client.decode(code, json.dumps({"reason": "Whatever", "message": message}).encode())
    return raised.value


CIRCUMSTANCES = {
    "quota": ('pods "a" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0', "QuotaExceeded"),
    "rights": ('pods is forbidden: User "x" cannot create resource "pods" in API group ""', "OperatorNotAllowed"),
    "service account": ('pods "a" is forbidden: error looking up service account team/x: serviceaccount "x" not found', "ServiceAccountMissing"),
    "namespace": ('pods "a" is forbidden: unable to create new content in namespace team because it is being terminated', "NamespaceTerminating"),
    "dry run": ('admission webhook "x.dev" does not support dry run', "DryRunNotSupported"),
    "pod security": ('pods "a" is forbidden: violates PodSecurity "restricted:latest": privileged', ""),
    "invalid": ('Pod "a" is invalid: spec.containers[0].image: Required value', ""),
}  # fmt: skip


@pytest.mark.parametrize(("message", "word"), CIRCUMSTANCES.values(), ids=CIRCUMSTANCES.keys())
def test_a_refusal_that_others_can_lift_is_no_fault_of_the_template(message: str, word: str) -> None:
    error = refusal(403, message)
    assert isinstance(error, client.Refused)
    assert error.circumstance == word


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, client.Refused),
        (401, client.ApiError),
        (404, client.NotFound),
        (409, client.Conflict),
        (422, client.Refused),
        (500, client.Failing),
        (503, client.ApiError),
    ],
)
def test_errors_are_typed_by_their_code(code: int, kind: type[client.ApiError]) -> None:
    assert type(refusal(code, "no")) is kind


@pytest.fixture
def token(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The file in which the kubelet keeps the token of a Pod's service account."""
    file = tmp_path / "token"
    file.write_text("first")
    (tmp_path / "ca.crt").write_bytes(pathlib.Path(certifi.where()).read_bytes())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return file


def inside(token: pathlib.Path) -> tuple[client.Api, incluster_config.InClusterConfigLoader]:
    """A connection as it is made inside a cluster."""
    loader = incluster_config.InClusterConfigLoader(str(token), str(token.with_name("ca.crt")))  # type: ignore[no-untyped-call]
    configuration = official.Configuration()
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    return client.Api(official.ApiClient(configuration), in_cluster=True), loader


async def test_a_token_that_the_kubelet_has_replaced_is_used(token: pathlib.Path) -> None:
    api, loader = inside(token)
    assert (await api.credentials()).token == "first"
    token.write_text("second")
    loader.token_expires_at = datetime.datetime.now()  # noqa: DTZ005 - the library's own clock
    assert (await api.credentials()).token == "second"
    _, _, headers, *_ = await api._transport.param_serialize("GET", "/version", auth_settings=["BearerToken"])
    assert headers["authorization"] == "bearer second"
    await api.close()


async def test_kopf_is_given_the_new_token_and_accepts_the_same_one_again(token: pathlib.Path) -> None:
    """kopf refuses credentials that are equal to ones that failed, and would end the operator."""
    api, loader = inside(token)
    login = watching.Login(api, pause=0)
    first, again = await login.offer(), await login.offer()
    assert first.priority != again.priority
    token.write_text("second")
    loader.token_expires_at = datetime.datetime.now()  # noqa: DTZ005 - the library's own clock
    offers = [first, again, await login.offer()]
    tokens = [offer.aiohttp_session.headers["Authorization"] for offer in offers]
    assert tokens == ["Bearer first", "Bearer first", "Bearer second"]
    for offer in offers:
        await offer.aiohttp_session.close()
    await api.close()


async def test_kopf_goes_on_after_a_401_with_credentials_that_have_not_changed(token: pathlib.Path) -> None:
    api, _ = inside(token)
    login, vault = watching.Login(api, pause=0), credentials.Vault()
    first, again = await login.offer(), await login.offer()
    await vault.populate({"login": first})
    async for key, info in vault:
        refused = asyncio.create_task(vault.invalidate(key, info, exc=PermissionError("401")))
        await vault.wait_for_emptiness()
        await vault.populate({"login": again})
        await refused
        break
    assert [info async for _, info in vault] == [again]
    for offer in (first, again):
        await offer.aiohttp_session.close()
    await api.close()


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"clusters": 1, "current-context": "x"}'])
async def test_a_kubeconfig_that_tells_nothing_is_named_as_the_trouble(
    content: str | None, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    with pytest.raises(client.Unconfigured, match="set KUBECONFIG"):
        await client.Api.connect()


def test_kopf_never_gives_up() -> None:
    assert list(itertools.islice(watching.Backoffs(), 6)) == [0.5, 1, 2, 4, 8.0, 8.0]
