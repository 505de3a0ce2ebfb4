"""Transactions that contracts are asked for: what they carry, and whether they are marked."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.chain.abi import AbiError, Function
from opengradient_sdk.chain.contracts import (
    BatchSettlement,
    Contract,
    Eip2612,
    Eip2612Permit,
    Eip3009,
    Erc20,
    IndividualSettlement,
    InferenceVerifier,
    PcrMeasurements,
    Permit2,
    SettlementRelay,
    TeeRegistration,
    TeeRegistry,
    WitnessTransfer,
)
from opengradient_sdk.types import Address, Bytes32, TxRequest

HERE = Address("0x" + "11" * 20)
OWNER = Address("0x" + "22" * 20)
FRIEND = Address("0x" + "33" * 20)
WORD, OTHER = Bytes32(b"\x07" * 32), Bytes32(b"\x08" * 32)
PCRS = PcrMeasurements(b"0" * 48, b"1" * 48, b"2" * 48)
SIGNATURE = bytes(WORD) + bytes(OTHER) + b"\x1c"


class NoRpc:
    async def eth_call(self, to: Any, data: bytes, block: Any = "latest") -> bytes:
        raise AssertionError("a write asks no chain")


def at(kind: type[Contract]) -> Any:
    return kind(NoRpc(), HERE)


TOKEN, PERMIT2 = at(Erc20), at(Permit2)
REGISTRY, RELAY = at(TeeRegistry), at(SettlementRelay)

SPENDS = [
    (TOKEN.transfer(FRIEND, 5), "transfer(address,uint256)", [FRIEND, 5]),
    (TOKEN.transfer_from(OWNER, FRIEND, 5), "transferFrom(address,address,uint256)",
     [OWNER, FRIEND, 5]),
    (at(Eip2612).permit(OWNER, FRIEND, Eip2612Permit(5, 6, WORD, OTHER, 27)),
     "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
     [OWNER, FRIEND, 5, 6, 27, WORD, OTHER]),
    (at(Eip3009).cancel_authorization(OWNER, WORD, SIGNATURE),
     "cancelAuthorization(address,bytes32,uint8,bytes32,bytes32)", [OWNER, WORD, 28, WORD, OTHER]),
    (PERMIT2.invalidate_nonce(3 * 256 + 2), "invalidateUnorderedNonces(uint256,uint256)", [3, 4]),
    (PERMIT2.invalidate_unordered_nonces(3, 4), "invalidateUnorderedNonces(uint256,uint256)",
     [3, 4]),
    (PERMIT2.lockdown([(HERE, FRIEND)]), "lockdown((address,address)[])", [[(HERE, FRIEND)]]),
    (PERMIT2.permit_witness_transfer_from(
        WitnessTransfer(HERE, 9, 3, 4, FRIEND, 5, OWNER, WORD, "W w)", b"sig")),
     "permitWitnessTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,"
     "bytes32,string,bytes)",
     [((HERE, 9), 3, 4), (FRIEND, 5), OWNER, WORD, "W w)", b"sig"]),
]  # fmt: skip

OTHERS = [
    (TOKEN.approve(FRIEND, 5), "approve(address,uint256)", [FRIEND, 5]),
    (REGISTRY.register_tee(TeeRegistration(b"a", b"k", b"c", OWNER, "https://1.2.3.4", 1)),
     "registerTEEWithAttestation(bytes,bytes,bytes,address,string,uint8)",
     [b"a", b"k", b"c", OWNER, "https://1.2.3.4", 1]),
    (REGISTRY.enable_tee(WORD), "enableTEE(bytes32)", [WORD]),
    (REGISTRY.disable_tee(WORD), "disableTEE(bytes32)", [WORD]),
    (REGISTRY.add_tee_type(2, "new"), "addTEEType(uint8,string)", [2, "new"]),
    (REGISTRY.approve_pcr(PCRS, "v1", 1), "approvePCR((bytes,bytes,bytes),string,uint8)",
     [(PCRS.pcr0, PCRS.pcr1, PCRS.pcr2), "v1", 1]),
    (REGISTRY.revoke_pcr(WORD, 1), "revokePCR(bytes32,uint8)", [WORD, 1]),
    (REGISTRY.set_aws_root_certificate(b"pem"), "setAWSRootCertificate(bytes)", [b"pem"]),
    (REGISTRY.set_heartbeat_max_age(60), "setHeartbeatMaxAge(uint256)", [60]),
    (REGISTRY.grant_role(WORD, OWNER), "grantRole(bytes32,address)", [WORD, OWNER]),
    (REGISTRY.revoke_role(WORD, OWNER), "revokeRole(bytes32,address)", [WORD, OWNER]),
    (REGISTRY.renounce_role(WORD, OWNER), "renounceRole(bytes32,address)", [WORD, OWNER]),
    (at(InferenceVerifier).set_registry(OWNER), "setRegistry(address)", [OWNER]),
    (RELAY.batch_settle(BatchSettlement(WORD, 20, b"blob")), "batchSettle(bytes32,uint256,bytes)",
     [WORD, 20, b"blob"]),
    (RELAY.settle_individual(IndividualSettlement(WORD, OWNER, OTHER, WORD, 4, b"b", b"s")),
     "settleIndividual(bytes32,bytes32,bytes32,uint256,address,bytes,bytes)",
     [WORD, OTHER, WORD, 4, OWNER, b"b", b"s"]),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "signature", "args"), SPENDS, ids=lambda v: str(v)[:40])
def test_what_moves_tokens_or_touches_permit2_is_marked(
    request_: TxRequest, signature: str, args: list[Any]
) -> None:
    assert request_ == TxRequest(HERE, Function(signature).encode(*args), allow_spend=True)


@pytest.mark.parametrize(("request_", "signature", "args"), OTHERS, ids=lambda v: str(v)[:40])
def test_what_does_not_is_not(request_: TxRequest, signature: str, args: list[Any]) -> None:
    assert request_ == TxRequest(HERE, Function(signature).encode(*args))


def test_what_does_not_fit_is_not_encoded() -> None:
    with pytest.raises(AbiError):
        TOKEN.transfer(FRIEND, -1)
    with pytest.raises(AbiError, match="65 bytes"):
        at(Eip3009).cancel_authorization(OWNER, WORD, b"short")
