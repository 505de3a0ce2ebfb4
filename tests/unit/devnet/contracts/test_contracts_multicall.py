"""Multicall3: many calls in one, and what happens when one of them fails."""

from __future__ import annotations

import pytest

from opengradient_sdk.devnet.contracts import addresses, artifacts

from .chainkit import ADMIN, NOW, PAYERS, RICH, STRANGER, Anvil, RevertedError

pytestmark = pytest.mark.anvil

MULTICALL = (addresses.MULTICALL3, "Multicall3")
OPG = artifacts.load("OPG")
REGISTRY = artifacts.load("TEERegistry")
GOOD = (addresses.OPG, OPG.encode_call("balanceOf", PAYERS[0]))
BAD = (addresses.TEE_REGISTRY, REGISTRY.encode_call("getTEE", bytes(32)))
BALANCE = RICH.to_bytes(32, "big")


def test_aggregate3_takes_the_failures_that_are_allowed(chain: Anvil) -> None:
    (good, answer), (bad, reason) = chain.call(
        *MULTICALL, "aggregate3", [(GOOD[0], False, GOOD[1]), (BAD[0], True, BAD[1])]
    )
    assert (good, answer) == (True, BALANCE)
    assert (bad, REGISTRY.decode_error(reason)) == (False, ("TEENotFound", ()))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("aggregate3", ([(*BAD[:1], False, BAD[1])],)),
        ("aggregate", ([GOOD, BAD],)),
        ("tryAggregate", (True, [BAD])),
        ("blockAndAggregate", ([BAD],)),
        ("tryBlockAndAggregate", (True, [BAD])),
    ],
)
def test_other_failures_fail_the_whole(
    chain: Anvil, function: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(RevertedError) as refused:
        chain.call(*MULTICALL, function, *arguments)
    assert refused.value.arguments == ("Multicall3: call failed",)


def test_the_older_functions_answer_alike(chain: Anvil) -> None:
    number = int(chain.request("eth_blockNumber"), 16)
    assert chain.call(*MULTICALL, "aggregate", [GOOD]) == (number, (BALANCE,))
    assert chain.call(*MULTICALL, "tryAggregate", False, [GOOD])[0] == (True, BALANCE)
    for function, leading in (("blockAndAggregate", ()), ("tryBlockAndAggregate", (False,))):
        block, _, results = chain.call(*MULTICALL, function, *leading, [GOOD])
        assert (block, results) == (number, ((True, BALANCE),))


def test_ether_is_handed_on_to_the_last_wei(chain: Anvil) -> None:
    multicall = artifacts.load("Multicall3")
    recipient = "0x" + "e7" * 20
    data = multicall.encode_call("aggregate3Value", [(recipient, False, 3, b"")])
    transaction = {"from": STRANGER, "to": addresses.MULTICALL3, "data": "0x" + data.hex()}
    with pytest.raises(RevertedError) as refused:
        chain.request("eth_call", {**transaction, "value": "0x4"}, "latest")
    assert refused.value.arguments == ("Multicall3: value mismatch",)
    chain.request("eth_sendTransaction", {**transaction, "value": "0x3"})
    chain.request("evm_mine")
    assert chain.call(*MULTICALL, "getEthBalance", recipient) == 3


def test_it_tells_about_the_block(chain: Anvil) -> None:
    block = chain.request("eth_getBlockByNumber", "latest", False)
    number = int(block["number"], 16)
    assert chain.call(*MULTICALL, "getBlockNumber") == number
    assert chain.call(*MULTICALL, "getCurrentBlockTimestamp") == NOW
    assert chain.call(*MULTICALL, "getChainId") == 8453
    assert chain.call(*MULTICALL, "getCurrentBlockGasLimit") == int(block["gasLimit"], 16)
    assert chain.call(*MULTICALL, "getCurrentBlockCoinbase") == block["miner"]
    assert chain.call(*MULTICALL, "getEthBalance", ADMIN) == RICH
    parent = bytes.fromhex(block["parentHash"][2:])
    assert chain.call(*MULTICALL, "getLastBlockHash") == parent
    assert chain.call(*MULTICALL, "getBlockHash", number - 1) == parent
