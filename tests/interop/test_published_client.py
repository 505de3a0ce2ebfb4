"""The published client, unmodified, against the Devnet as it stands for the real network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet import Books
from opengradient_sdk.devnet.accounts import devnet_key
from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.devnet.facilitator.evm import ChainReader, Rpc
from opengradient_sdk.devnet.node import devnet_pcrs, pcr_hash

from .processes import ask

pytestmark = pytest.mark.interop

OPG = 10**18
CAP = OPG // 10
PAID_ROUTES = 2  # chat and completions, a session each


@dataclass(frozen=True)
class Visit:
    """What the published client said, and the network before and after it."""

    net: Devnet
    told: dict[str, Any]
    before: int
    books: Books
    settled_books: Books


@pytest.fixture(scope="module")
async def visit(published_python: Path) -> AsyncIterator[Visit]:
    async with Devnet(chains=2, chain_id=8453, registry_chain_id=10740, nodes=2) as net:
        payer = net.accounts[0].address
        opg = ChainReader(Rpc(net.chain))
        before = await opg.token_balance(addresses.OPG, payer)
        told = await ask(
            published_python,
            "published_client.py",
            {
                "private_key": "0x" + devnet_key("account-0").hex(),
                "registry_rpc": net.registry_chain.rpc_url,
                "registry": net.profile.tee_registry,
            },
            timeout=90,
            BASE_MAINNET_RPC=net.chain.rpc_url,
        )
        books = net.books()
        await net.advance(130)
        yield Visit(net, told, before, books, net.books())


@pytest.fixture(scope="module")
def told(visit: Visit) -> dict[str, Any]:
    return visit.told


def bare(hexadecimal: object) -> str:
    """Return hex digits without 0x: with its web3 the client leaves that out here and there."""
    return str(hexadecimal).removeprefix("0x")


async def test_it_finds_the_nodes_in_the_registry(visit: Visit) -> None:
    found = {record["endpoint"]: record for record in visit.told["registry"]}
    assert found.keys() == {node.endpoint for node in visit.net.nodes}
    for node in visit.net.nodes:
        record = found[node.endpoint]
        assert bare(record["tee_id"]) == bare(node.tee_id)
        assert record["payment_address"] == node.pay_to
        assert bytes.fromhex(record["certificate"]) == node.tls_certificate_der
        assert bytes.fromhex(record["signing_key"]) == node.public_key_der
        assert bare(record["pcr_hash"]) == bare(pcr_hash(devnet_pcrs()))


async def test_it_approves_permit2_once(visit: Visit) -> None:
    first, second = visit.told["approvals"]
    assert (first["before"], first["after"]) == (0, 5 * OPG)
    assert second == {"before": 5 * OPG, "after": 5 * OPG, "transaction": None}
    sent = "0x" + bare(first["transaction"])
    receipt: Any = await visit.net.chain.request("eth_getTransactionReceipt", (sent,))
    assert receipt["status"] == "0x1"


def test_it_chats(told: dict[str, Any]) -> None:
    for index, answer in enumerate(told["chat"]):
        assert f"You said: hello {index}" in answer["message"]["content"]
        assert answer["message"]["role"] == "assistant"
        assert answer["finish_reason"] == "stop"
        assert answer["usage"]["total_tokens"] > 0
        assert answer["signature"]
    assert len({answer["signature"] for answer in told["chat"]}) == 2


def test_its_answers_come_from_a_registered_node(told: dict[str, Any]) -> None:
    registered = {(record["tee_id"], record["payment_address"]) for record in told["registry"]}
    assert {(a["tee_id"], a["payment_address"]) for a in told["chat"]} < registered


def test_it_calls_tools(told: dict[str, Any]) -> None:
    answer = told["tool_call"]
    [call] = answer["message"]["tool_calls"]
    assert answer["finish_reason"] == "tool_calls"
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert "The tool said: sunny" in told["tool_answer"]["message"]["content"]


def test_it_gets_json(told: dict[str, Any]) -> None:
    assert told["json"]["message"]["content"].startswith("{")


def test_it_streams(told: dict[str, Any]) -> None:
    streamed = told["stream"]
    assert "stream this please" in "".join(piece or "" for piece in streamed["pieces"])
    assert len(streamed["pieces"]) > 3
    assert streamed["is_final"] == [False] * (len(streamed["pieces"]) - 1) + [True]
    assert streamed["finish_reason"] == "stop"
    assert streamed["total_tokens"] > 0
    assert streamed["signature"]


def test_with_tools_it_asks_for_a_plain_answer_instead_of_a_stream(told: dict[str, Any]) -> None:
    [call] = told["stream_with_tools"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert told["stream_with_tools"]["finish_reason"] == "tool_calls"


def test_it_completes(told: dict[str, Any]) -> None:
    assert told["completion"]["signature"]
    # it reads a member that answers of this network do not have (protocol notes, completions)
    assert told["completion"]["text"] is None


def test_it_understands_errors(told: dict[str, Any]) -> None:
    assert "Model 'no-such-model' is not supported" in told["errors"]["unknown model"]
    assert "Request processing failed" in told["errors"]["failing provider"]


@pytest.mark.parametrize("request_kind", ["text", "developer", "parts", "tool", "web_search"])
def test_its_own_verifier_accepts_our_answers(told: dict[str, Any], request_kind: str) -> None:
    proof = told["verified"][request_kind]
    assert bare(proof["tee_id"]) == bare(told["chat"][0]["tee_id"])
    assert proof["content"]


def test_its_own_verifier_accepts_our_streams(told: dict[str, Any]) -> None:
    assert "one two three" in told["verified_stream"]["content"]


def test_its_own_verifier_refuses_a_changed_answer(told: dict[str, Any]) -> None:
    assert "output hash mismatch" in told["forgery"]


def test_it_pays_a_cap_for_each_route_once(visit: Visit) -> None:
    verified = visit.net.facilitator.records.verified
    assert [entry.cap for entry in verified] == [CAP] * PAID_ROUTES
    book = visit.books[visit.net.accounts[0].address]
    assert (book.authorized, book.settled) == (PAID_ROUTES * CAP, 0)
    assert 0 < book.served == book.open < CAP


async def test_it_is_charged_on_chain_what_it_was_served(visit: Visit) -> None:
    payer = visit.net.accounts[0].address
    book = visit.settled_books[payer]
    assert visit.settled_books.balanced
    assert (book.settled, book.open) == (visit.books[payer].served, 0)
    opg = ChainReader(Rpc(visit.net.chain))
    assert visit.before - await opg.token_balance(addresses.OPG, payer) == book.settled
    paid = [await opg.token_balance(addresses.OPG, node.pay_to) for node in visit.net.nodes]
    assert sorted(paid) == [0, book.settled]
