"""The facilitator's decisions, against the recorded ones of the reference facilitator."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode

from opengradient_sdk.devnet.facilitator.abi import selector
from opengradient_sdk.devnet.facilitator.eip2612 import check_token_permit
from opengradient_sdk.devnet.facilitator.evm import ChainReader, Rpc
from opengradient_sdk.devnet.facilitator.permit import Permit, parse_payment
from opengradient_sdk.devnet.facilitator.reasons import Reason, RefusedError
from opengradient_sdk.devnet.facilitator.sponsoring import (
    SponsorBounds,
    check_approval,
    check_bounds,
)
from opengradient_sdk.devnet.facilitator.verify import Verifier
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Address

from .facilitator_doubles import FakeChainState, FixedClock

VECTORS = Path(__file__).parents[2] / "assets" / "vectors"
ERRORS = json.loads((VECTORS / "errors.json").read_text())
EXTENSIONS = json.loads((VECTORS / "upto_extensions.json").read_text())
FACILITATOR = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")

# protocol notes 2.9: the recorded codes are the Python facilitator's, ours the TypeScript one's
TYPESCRIPT = {
    "invalid_upto_evm_payload": "unsupported_payload_type",
    "invalid_exact_evm_payload_amount_mismatch": "permit2_amount_mismatch",
    "invalid_exact_evm_insufficient_balance": "permit2_insufficient_balance",
    "simulation-failed": "permit2_invalid_nonce",
}
# these the node refuses by comparing `accepted` itself; the facilitator's own view of them
NODE_DECIDES = {
    "accepted-amount-differs": None,
    "accepted-asset-lowercase (strict string compare)": None,
    "accepted-scheme-exact": "invalid_upto_evm_scheme",
    "x402Version-1": "invalid_x402_version",
}


def verifier(chain: FakeChainState, now: float) -> Verifier:
    reader = ChainReader(Rpc(chain))
    return Verifier(reader, facilitator=FACILITATOR, clock=FixedClock(now), bounds=SponsorBounds())


async def reason(chain: FakeChainState, payload: Any, requirements: Any, now: float) -> str | None:
    body = {"paymentPayload": payload, "paymentRequirements": requirements}
    try:
        await verifier(chain, now).check(parse_payment(body))
    except RefusedError as refusal:
        return refusal.reason
    return None


def chain_of(recorded: dict[str, Any]) -> FakeChainState:
    revert = None
    if recorded["simulation_error"]:
        revert = (
            selector("InvalidNonce()") if "InvalidNonce" in recorded["simulation_error"] else b""
        )
    return FakeChainState(
        allowance=int(recorded["allowance"]),
        balance=int(recorded["balance"]),
        proxy_deployed=recorded["proxy_deployed"],
        payer_code=recorded["payer_code"],
        revert=revert,
    )


@pytest.mark.parametrize("case", ERRORS["facilitator_verify"], ids=lambda case: case["name"])
async def test_decides_as_recorded(case):
    """Every recorded decision is ours too, in the words of the TypeScript facilitator."""
    name, recorded = case["name"], case.get("error")
    expected = TYPESCRIPT.get(name) or TYPESCRIPT.get(recorded, recorded)
    if name in NODE_DECIDES:
        expected = NODE_DECIDES[name]
    found = await reason(
        chain_of(case["chain"]), case["payment_payload"], case["requirements"], case["time"]
    )
    assert found == expected


def test_every_translated_code_is_one_of_the_live_facilitators():
    """No code is invented, except the two that the documentation of ``Reason`` names."""
    known = set(ERRORS["codes"]["typescript_facilitator"].values())
    own = {Reason.APPROVAL_TX_OUT_OF_BOUNDS, Reason.UNSUPPORTED_VERSION}
    assert {str(code) for code in Reason} - known == own


@pytest.fixture
def good():
    """A payment that is good in every respect, with its time."""
    case = next(c for c in ERRORS["facilitator_verify"] if c["name"].startswith("accepted-maxT"))
    return case["payment_payload"], case["requirements"], case["time"]


async def test_simulates_the_full_cap_as_the_facilitator(good):
    """What is simulated is the settlement of the whole cap, sent by the facilitator."""
    payload, requirements, now = good
    chain = FakeChainState()
    assert await reason(chain, payload, requirements, now) is None
    simulated = chain.calls[-1]
    assert simulated["from"] == FACILITATOR
    assert simulated["to"] == DEVNET.upto_proxy
    assert simulated["data"].startswith("0xff11e7b4")
    assert f"{int(requirements['amount']):064x}" in simulated["data"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("SignatureExpired(uint256)", "permit2_deadline_expired"),
        ("InvalidSigner()", "invalid_permit2_signature"),
        ("InvalidContractSignature()", "invalid_permit2_signature"),
        ("InvalidAmount()", "permit2_invalid_amount"),
        ("InvalidDestination()", "permit2_invalid_destination"),
        ("InvalidOwner()", "permit2_invalid_owner"),
        ("PaymentTooEarly()", "permit2_payment_too_early"),
        ("AmountExceedsPermitted()", "upto_amount_exceeds_permitted"),
        ("UnauthorizedFacilitator()", "upto_unauthorized_facilitator"),
        ("Permit2612AmountMismatch()", "permit2_2612_amount_mismatch"),
        ("SomethingElse()", "permit2_simulation_failed"),
    ],
)
async def test_names_what_the_contracts_say(good, error, code):
    """A revert of the proxy or of Permit2 becomes the code that stands for it."""
    assert await reason(FakeChainState(revert=selector(error)), *good) == code


async def test_a_contract_payer_is_judged_by_the_simulation(good):
    """A signature that no key made is left to the chain where the payer is a contract."""
    payload, requirements, now = good
    payload = json.loads(json.dumps(payload))
    payload["payload"]["signature"] = "0x1234"
    wallet = FakeChainState(payer_code="0x6001")
    assert await reason(wallet, payload, requirements, now) is None
    refused = replace(wallet, revert=selector("InvalidContractSignature()"))
    assert await reason(refused, payload, requirements, now) == "invalid_permit2_signature"


async def test_refuses_another_chain_and_eip3009(good):
    """A payment for a chain that is not here, or by EIP-3009, is refused by name."""
    payload, requirements, now = good
    elsewhere = FakeChainState(chain_id=10740)
    assert (
        await reason(elsewhere, payload, requirements, now) == "invalid_upto_evm_network_mismatch"
    )
    transfer = {**payload, "payload": {"authorization": {}, "signature": "0x"}}
    exact = {**requirements, "scheme": "exact"}
    refused = await reason(FakeChainState(), transfer, exact, now)
    assert refused == "invalid_exact_evm_eip3009_not_supported"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"paymentPayload": {}},
        {"paymentPayload": {}, "paymentRequirements": {}},
        {"paymentPayload": {}, "paymentRequirements": {"scheme": "upto", "network": 1}},
    ],
)
def test_a_body_without_its_members_is_no_payment(body):
    """What a node forgot to send is its error, not the payer's."""
    with pytest.raises(ValueError, match="paymentRequirements"):
        parse_payment(body)


def permit_of(payload: dict[str, Any]) -> Permit:
    requirements = payload["accepted"]
    return parse_payment({"paymentPayload": payload, "paymentRequirements": requirements}).permit()


SPONSORED = EXTENSIONS["cases"][0]
OUT_OF_BOUNDS = {
    "tx-zero-amount-accepted": "atoms",
    "tx-other-chain-accepted": "chain id",
    "tx-with-value-accepted": "sends",
}


@pytest.mark.parametrize("case", EXTENSIONS["erc20_validation"], ids=lambda case: case["name"])
async def test_checks_approvals_as_recorded(case):
    """Every recorded judgement of an approval is ours; what it let pass unbounded is refused."""
    permit = permit_of(SPONSORED["payload"])
    expected, _text = case["result"]
    if expected:
        with pytest.raises(RefusedError) as refused:
            check_approval(case["info"], permit)
        assert refused.value.reason == expected
        return
    approval = check_approval(case["info"], permit)
    chain = ChainReader(Rpc(FakeChainState()))
    if case["name"] in OUT_OF_BOUNDS:
        with pytest.raises(RefusedError, match=OUT_OF_BOUNDS[case["name"]]) as refused:
            await check_bounds(approval, permit, chain, SponsorBounds())
        assert refused.value.reason == "erc20_approval_tx_out_of_bounds"
    else:
        await check_bounds(approval, permit, chain, SponsorBounds())


@pytest.mark.parametrize(
    ("chain", "bounds", "what"),
    [
        (FakeChainState(nonce=6), SponsorBounds(), "nonce"),
        (FakeChainState(), SponsorBounds(max_gas=69_999), "gas 70000"),
        (FakeChainState(), SponsorBounds(max_fee_per_gas=19_999_999), "maxFeePerGas"),
        (FakeChainState(), SponsorBounds(max_funding=70_000 * 20_000_000 - 1), "lacks"),
    ],
    ids=["nonce", "gas", "fee", "funding"],
)
async def test_sponsors_only_within_its_bounds(chain, bounds, what):
    """Gas, fee, funding and nonce are bounded, each for itself."""
    permit = permit_of(SPONSORED["payload"])
    info = SPONSORED["payload"]["extensions"]["erc20ApprovalGasSponsoring"]["info"]
    approval = check_approval(info, permit)
    with pytest.raises(RefusedError, match=what):
        await check_bounds(approval, permit, ChainReader(Rpc(chain)), bounds)
    rich = replace(chain, wei=approval.prepayment, nonce=5)
    await check_bounds(approval, permit, ChainReader(Rpc(rich)), SponsorBounds(max_funding=0))


TRANSFER_FAILED = selector("Error(string)") + encode(["string"], ["TRANSFER_FROM_FAILED"])


@pytest.mark.parametrize(
    ("revert", "expected"),
    [(TRANSFER_FAILED, None), (selector("InvalidNonce()"), "permit2_invalid_nonce")],
    ids=["only the transfer is missing", "nonce used"],
)
async def test_a_sponsored_approval_counts_in_the_simulation(revert, expected):
    """Before the approval is on chain the transfer must fail, and nothing else."""
    chain = FakeChainState(allowance=0, revert=revert)
    payload = SPONSORED["payload"]
    assert await reason(chain, payload, payload["accepted"], SPONSORED["now"]) == expected


async def test_a_failing_transfer_is_no_excuse_without_an_approval(good):
    """Only a pending approval explains a transfer that fails."""
    assert (
        await reason(FakeChainState(revert=TRANSFER_FAILED), *good) == "permit2_simulation_failed"
    )


async def test_an_approval_that_is_not_needed_is_not_sponsored():
    """With enough allowance the approval's account nonce no longer matters."""
    chain = FakeChainState(nonce=99)
    body = {
        "paymentPayload": SPONSORED["payload"],
        "paymentRequirements": SPONSORED["payload"]["accepted"],
    }
    checked = await verifier(chain, SPONSORED["now"]).check(parse_payment(body))
    assert checked.approval is None


async def test_an_echoed_announcement_is_no_approval():
    """The official client echoes the announcement; that alone sponsors nothing."""
    case = EXTENSIONS["cases"][-1]
    requirements = case["payload"]["accepted"]
    found = await reason(FakeChainState(allowance=0), case["payload"], requirements, 1784200000)
    assert found == "permit2_allowance_required"


@pytest.mark.parametrize("case", EXTENSIONS["eip2612_validation"], ids=lambda case: case["name"])
def test_checks_token_permits_as_recorded(case):
    """Every recorded judgement of an EIP-2612 permit is ours."""
    permit = permit_of(SPONSORED["payload"])
    if case["result"]:
        with pytest.raises(RefusedError) as refused:
            check_token_permit(case["info"], permit, now=case["now"])
        assert refused.value.reason == case["result"]
    else:
        assert check_token_permit(case["info"], permit, now=case["now"]).amount == permit.cap


@pytest.mark.parametrize(
    "case",
    [c for c in EXTENSIONS["cases"] if "settleWithPermit_calldata_amount_12345" in c],
    ids=lambda case: case["name"],
)
async def test_settles_with_a_token_permit_as_recorded(case):
    """The calldata of ``settleWithPermit`` is the recorded one, byte for byte."""
    body = {
        "paymentPayload": case["payload"],
        "paymentRequirements": case["payload"]["accepted"],
    }
    checked = await verifier(FakeChainState(allowance=0), case["now"]).check(parse_payment(body))
    assert "0x" + checked.calldata(12345).hex() == case["settleWithPermit_calldata_amount_12345"]
