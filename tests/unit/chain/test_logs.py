"""Logs of ranges that an endpoint does not hand out at once."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.chain import LogFilter, Rpc
from opengradient_sdk.errors import RpcError
from opengradient_sdk.types import Address, Bytes32

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
TOPIC, OTHER = Bytes32(b"\x01" * 32), Bytes32(b"\x02" * 32)


def log(number: int) -> dict[str, Any]:
    return {
        "address": ALICE,
        "topics": [str(TOPIC)],
        "data": "0x01",
        "blockNumber": hex(number),
        "transactionHash": str(OTHER),
        "logIndex": "0x0",
    }


async def test_one_address_and_one_topic_may_stand_alone(node: Any, rpc: Rpc) -> None:
    node.results["eth_getLogs"] = lambda _: [log(5)]
    (found,) = await rpc.get_logs(ALICE, [TOPIC, None, [TOPIC, OTHER]], from_block=1, to_block=9)
    assert (found.address, found.topics, found.data, found.block_number) == (
        ALICE,
        (TOPIC,),
        b"\x01",
        5,
    )
    assert node.bodies[0][1]["params"] == [
        {
            "fromBlock": "0x1",
            "toBlock": "0x9",
            "address": [str(ALICE)],
            "topics": [[str(TOPIC)], None, [str(TOPIC), str(OTHER)]],
        }
    ]


def test_one_block_by_hash() -> None:
    assert LogFilter.of(from_block=TOPIC).parameter() == {"blockHash": str(TOPIC)}


async def test_a_range_that_is_too_large_is_halved_until_it_fits(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    def get_logs(wanted: dict[str, str]) -> Any:
        first = 0 if wanted["fromBlock"] == "earliest" else int(wanted["fromBlock"], 16)
        last = 99 if wanted["toBlock"] == "latest" else int(wanted["toBlock"], 16)
        if last - first >= 10:
            return fails(-32005, "query returned more than 10000 results")
        return [log(number) for number in range(first, last + 1)]

    node.results["eth_getLogs"] = get_logs
    node.results["eth_getBlockByNumber"] = {
        "number": hex(99),
        "hash": str(TOPIC),
        "timestamp": "0x1",
    }
    for first in (0, "earliest"):
        found = await rpc.get_logs(from_block=first)
        assert [one.block_number for one in found] == list(range(100))


async def test_a_block_that_is_too_large_on_its_own_is_an_error(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    node.results["eth_getLogs"] = fails(-32005, "query returned more than 10000 results")
    with pytest.raises(RpcError, match="more than 10000"):
        await rpc.get_logs(from_block=5, to_block=5)
