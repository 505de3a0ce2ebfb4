"""What the chains add to a bundle, on a Devnet: real contracts, a real relay, a real settlement."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from support.lying_rpc import Lie, LyingRpc

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import SettlementError, VerificationError
from opengradient_sdk.ledger import DataState
from opengradient_sdk.ledger.bundle import OnlineSources, verify_bundle, verify_online
from opengradient_sdk.payments.status import PaymentState
from opengradient_sdk.verification import Assurance, CheckStatus, Evidence

from .standalone import checker


@dataclass
class Scene:
    """A bundle of an answer whose payment and hashes are on chain, and whom a reader asks."""

    net: Devnet
    bundle: dict[str, Any]
    sources: OnlineSources
    registry_liar: LyingRpc
    payments_liar: LyingRpc

    def changed(self, path: str, value: Any) -> dict[str, Any]:
        bundle = json.loads(json.dumps(self.bundle))
        *above, last = path.split(".")
        part = bundle
        for step in above:
            part = part[step]
        assert part[last] != value
        part[last] = value
        return bundle


@pytest.fixture(scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        net = await stack.enter_async_context(Devnet())
        client = await stack.enter_async_context(
            AsyncOpenGradient(
                signer=net.accounts[0], network=net.profile, budget="2 OPG", store=":memory:"
            )
        )
        reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        await net.advance(130)
        await client.receipts.wait(reply.receipt, payment=PaymentState.SETTLED, timeout=20)
        await net.advance(300)
        receipt = await client.receipts.wait(reply.receipt, data=DataState.SETTLED, timeout=20)
        bundle = json.loads(json.dumps(await client.receipts.export(receipt)))
        http = HttpClient()
        stack.push_async_callback(http.aclose)
        liars = [
            await stack.enter_async_context(LyingRpc(url))
            for url in (net.registry_chain.rpc_url, net.chain.rpc_url)
        ]
        registry, payments = net.profile.registry.chain_id, net.profile.payments.chain_id
        sources = OnlineSources(
            net.profile,
            [Rpc([url], http, chain_id=registry) for url in _both(net.registry_chain, liars[0])],
            [Rpc([url], http, chain_id=payments) for url in _both(net.chain, liars[1])],
        )
        yield Scene(net, bundle, sources, *liars)


def _both(honest: Any, liar: LyingRpc) -> tuple[str, str]:
    return honest.rpc_url, liar.url


@pytest.fixture(autouse=True)
def nobody_lies(scene: Scene) -> None:
    scene.registry_liar.lie = scene.payments_liar.lie = None


async def test_the_chains_confirm_what_was_claimed(scene: Scene) -> None:
    offline = verify_bundle(scene.bundle, None)
    assert offline.assurance is Assurance.SIGNED
    online = await verify_online(scene.bundle, None, scene.sources)
    assert online.assurance is Assurance.REGISTERED
    for name in ("registry", "payment", "data", "payment_authorization", "merkle"):
        check = online.evidence.get(name)
        assert check is not None
        assert check.status is CheckStatus.PASSED, check
    assert set(online.unproven) < set(offline.unproven)
    assert {"registry.record.endpoint", "payment.status.amount", "data.proof.blob_id"} <= set(
        online.proven
    )


async def test_the_verifier_without_the_sdk_accepts_what_a_client_exports(scene: Scene) -> None:
    passed = checker().check(json.dumps(scene.bundle).encode())
    assert {"signature", "payment_authorization", "merkle"} <= set(passed)


OTHER = "0x" + "12" * 32
CLAIMS: dict[str, tuple[Any, str, type[VerificationError]]] = {
    "registry.chain_id": (1, "registry", VerificationError),
    "registry.registry": ("0x" + "0c" * 20, "registry", VerificationError),
    "registry.block_hash": (OTHER, "registry", VerificationError),
    "registry.block_timestamp": (7, "registry", VerificationError),
    "registry.record.owner": ("0x" + "0c" * 20, "registry", VerificationError),
    "registry.record.endpoint": ("https://evil.example", "registry", VerificationError),
    "registry.record.pcr_hash": (OTHER, "registry", VerificationError),
    "registry.record.last_heartbeat_at": (7, "registry", VerificationError),
    "payment.status.amount": ("1", "payment", SettlementError),
    "payment.status.transaction": (OTHER, "payment", SettlementError),
    "payment.status.block_number": (1, "payment", SettlementError),
    "payment.status.block_hash": (OTHER, "payment", SettlementError),
    "payment.status.state": ("cancelled", "payment", SettlementError),
    "data.proof.relay": ("0x" + "0c" * 20, "data", SettlementError),
    "data.proof.chain_id": (1, "data", SettlementError),
    "data.proof.transaction": (OTHER, "data", SettlementError),
    "data.proof.log_index": (99, "data", SettlementError),
    "data.proof.block_hash": (OTHER, "data", SettlementError),
    "data.proof.block_timestamp": (7, "data", SettlementError),
    "data.proof.blob_id": ("another", "data", SettlementError),
}


@pytest.mark.parametrize("path", CLAIMS)
async def test_a_claim_that_is_not_so_is_found_online_only(scene: Scene, path: str) -> None:
    value, check, error = CLAIMS[path]
    bundle = scene.changed(path, value)
    assert verify_bundle(bundle, None).id == scene.bundle["id"]
    await _refused(scene, bundle, check, error)


async def _refused(
    scene: Scene, bundle: dict[str, Any], check: str, error: type[VerificationError]
) -> str:
    with pytest.raises(VerificationError) as caught:
        await verify_online(bundle, None, scene.sources)
    assert type(caught.value) is error
    assert isinstance(caught.value.evidence, Evidence)
    assert [each.name for each in caught.value.evidence.failed] == [check]
    return str(caught.value)


Choose = Callable[[Scene], LyingRpc]
REGISTRY: Choose = lambda scene: scene.registry_liar  # noqa: E731
PAYMENTS: Choose = lambda scene: scene.payments_liar  # noqa: E731


@pytest.mark.parametrize(
    ("liar", "lie", "check"),
    [
        (REGISTRY, Lie.ANOTHER_HASH, "registry"),
        (REGISTRY, Lie.NO_RECEIPT, "data"),
        (PAYMENTS, Lie.NO_RECEIPT, "payment"),
        (PAYMENTS, Lie.ANOTHER_AMOUNT, "payment"),
    ],
)
async def test_one_endpoint_that_contradicts_is_enough(
    scene: Scene, liar: Choose, lie: Lie, check: str
) -> None:
    liar(scene).lie = lie
    error = VerificationError if check == "registry" else SettlementError
    text = await _refused(scene, scene.bundle, check, error)
    assert liar(scene).url.removeprefix("http://").rstrip("/") in text


async def test_an_endpoint_that_is_away_is_named_and_proves_nothing(scene: Scene) -> None:
    scene.registry_liar.lie = Lie.DOWN
    report = await verify_online(scene.bundle, None, scene.sources)
    check = report.evidence.get("registry")
    assert check is not None
    assert check.status is CheckStatus.PASSED
    assert "could not say" in check.reason
    alone = replace(scene.sources, registry=scene.sources.registry[1:])
    report = await verify_online(scene.bundle, None, alone)
    check = report.evidence.get("registry")
    assert check is not None
    assert check.status is CheckStatus.NOT_CHECKED
    assert report.assurance is Assurance.SIGNED


async def test_without_block_hashes_as_parameters_the_number_does(scene: Scene) -> None:
    scene.registry_liar.lie = Lie.NO_EIP_1898
    report = await verify_online(scene.bundle, None, scene.sources)
    assert report.assurance is Assurance.REGISTERED


async def test_without_endpoints_nothing_is_added(scene: Scene) -> None:
    nobody = replace(scene.sources, registry=(), payments=())
    report = await verify_online(scene.bundle, None, nobody)
    assert report.unproven == verify_bundle(scene.bundle, None).unproven
