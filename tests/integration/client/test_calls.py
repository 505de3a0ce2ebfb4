"""Everything that can be asked of a node, paid for and proven."""

from __future__ import annotations

import asyncio
import json

import pydantic
import pytest

from opengradient_sdk import Amount, Assurance, Devnet
from opengradient_sdk.errors import (
    ConfigurationError,
    PaymentOutcomeUnknownError,
    ResponseFormatError,
    Spent,
)
from opengradient_sdk.types import keccak256
from opengradient_sdk.verification import Mode, canonical_chat_request

from .kit import CAP, CHAT, MODEL, Customer, CustomerFactory
from .wire import tapped

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["place"],
        },
    },
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
WITH_PICTURE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": PIXEL}},
        ],
    }
]
WITH_FILE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Sum it up."},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:;base64,JVBERg=="}},
        ],
    }
]


class Invoice(pydantic.BaseModel):
    number: str
    total: int


@pytest.fixture
async def buyer(customer: CustomerFactory) -> Customer:
    return await customer()


async def test_the_six_lines(buyer: Customer, net: Devnet) -> None:
    reply = await buyer.ask()
    receipt = reply.receipt
    assert "You said: hi" in reply.text
    assert reply.message == {"role": "assistant", "content": reply.text}
    assert reply.finish_reason == "stop"
    assert receipt.assurance is Assurance.REGISTERED
    assert receipt.cost is not None
    assert 0 < receipt.cost.atoms < CAP
    assert receipt.tee_id == net.nodes[0].tee_id
    assert receipt.authorization.recipient == net.nodes[0].pay_to
    assert receipt.authorization.max_amount == Amount(CAP)
    assert not receipt.evidence.failed
    assert len(buyer.signer.typed_data) == 1


async def test_models_are_asked_for_with_or_without_provider(buyer: Customer) -> None:
    replies = [await buyer.ask(model=name) for name in ("openai/gpt-5", "gpt-5")]
    assert {reply.model for reply in replies} == {"gpt-5"}
    assert replies[0].text == replies[1].text


async def test_a_tool_is_called_and_answered(buyer: Customer) -> None:
    asked = {"role": "user", "content": "call get_weather for Rome"}
    first = await buyer.ask(messages=[asked], tools=[WEATHER])
    (call,) = first.tool_calls
    assert (first.text, first.finish_reason, call.name) == ("", "tool_calls", "get_weather")
    assert set(json.loads(call.arguments)) >= {"place"}
    assert first.receipt.assurance is Assurance.REGISTERED

    answered = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    second = await buyer.ask(messages=[asked, first.message, answered], tools=[WEATHER])
    assert "The tool said: 18 degrees" in second.text
    assert second.receipt.authorization.nonce == first.receipt.authorization.nonce


async def test_tool_choice_travels_and_is_named_as_unproven(buyer: Customer) -> None:
    reply = await buyer.ask(
        messages="use tool please", tools=[WEATHER], tool_choice={"type": "auto"}
    )
    assert reply.tool_calls
    assert "tool_choice" in reply.receipt.uncovered


async def test_json_on_request(buyer: Customer) -> None:
    reply = await buyer.ask(messages="json, please", response_format={"type": "json_object"})
    assert json.loads(reply.text)["model"] == "devnet/echo"


async def test_an_answer_as_an_object(buyer: Customer) -> None:
    parsed = await buyer.client.chat.parse(
        model=MODEL, messages="an invoice", response_model=Invoice, tag="books"
    )
    assert isinstance(parsed.parsed, Invoice)
    assert Invoice.model_validate_json(parsed.text) == parsed.parsed
    assert parsed.receipt.assurance is Assurance.REGISTERED
    assert parsed.receipt.tag == "books"


async def test_an_object_that_does_not_fit_was_paid_and_is_kept(buyer: Customer) -> None:
    class Picky(pydantic.BaseModel):
        number: str

        @pydantic.field_validator("number")
        @classmethod
        def never(cls, value: str) -> str:
            raise ValueError("never good enough")

    with pytest.raises(ResponseFormatError, match="not a Picky") as error:
        await buyer.client.chat.parse(model=MODEL, messages="x", response_model=Picky)
    assert error.value.spent is Spent.YES
    assert "number" in json.loads(error.value.text)
    receipt = await buyer.client.receipts.get(error.value.receipt_id)
    assert receipt.cost == error.value.amount


async def test_only_a_pydantic_class_can_be_parsed_into(buyer: Customer) -> None:
    with pytest.raises(ConfigurationError, match="response_model"):
        await buyer.client.chat.parse(model=MODEL, messages="x", response_model=dict)  # type: ignore[type-var]
    await buyer.assert_nothing_happened()


@pytest.mark.parametrize("messages", [WITH_PICTURE, WITH_FILE], ids=["picture", "file"])
async def test_attachments_are_sent_and_their_bytes_named_as_unproven(
    buyer: Customer, messages: list[dict[str, object]]
) -> None:
    reply = await buyer.ask(messages=messages)
    assert "and sent 1 attachment" in reply.text
    assert reply.receipt.assurance is Assurance.REGISTERED
    assert any("attachment" in part for part in reply.receipt.uncovered), reply.receipt.uncovered
    assert "Not covered by any proof" in reply.receipt.explain()


async def test_searching_the_web_is_signed_and_its_cost_is_not_guessed(buyer: Customer) -> None:
    reply = await buyer.ask(web_search=True)
    assert reply.receipt.assurance is Assurance.REGISTERED
    assert reply.receipt.cost is None
    assert "cost is not known" in reply.receipt.explain()
    assert reply.receipt.authorization.unpriced == 1


async def test_images_come_beside_the_signed_text(buyer: Customer) -> None:
    reply = await buyer.ask(model="google/gemini-2.5-flash-image", messages="a dot")
    assert reply.images[0].startswith("data:image/png;base64,")
    assert reply.receipt.assurance is Assurance.REGISTERED
    assert "images" in reply.receipt.uncovered
    assert reply.receipt.cost is None


async def test_a_completion_sends_both_of_its_defaults(
    buyer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tapped(monkeypatch) as tap:
        reply = await buyer.client.completions.create(model=MODEL, prompt="Once upon a time")
    assert [sent.body for sent in tap.sent] == [
        {"model": "gpt-5", "prompt": "Once upon a time", "max_tokens": 16, "temperature": 1.0}
    ] * 2
    assert reply.receipt.assurance is Assurance.REGISTERED
    assert reply.receipt.route == "/v1/completions"
    assert reply.text


async def test_what_is_sent_is_what_is_hashed(
    buyer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tapped(monkeypatch) as tap:
        reply = await buyer.ask(temperature=1, stop="\n\n", tools=[WEATHER])
    unpaid, paid = tap.sent
    assert unpaid.body == paid.body
    canonical = canonical_chat_request(paid.body, Mode.JULY)
    assert reply.receipt.signed is not None
    assert reply.receipt.signed.request_hash == keccak256(canonical.encode()).hex()
    assert not unpaid.is_paid


@pytest.mark.parametrize("settlement", ["private", "batch", "individual"])
async def test_how_the_hashes_are_settled_is_the_owners_choice(
    customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch, settlement: str
) -> None:
    buyer = await customer(settlement=settlement)
    with tapped(monkeypatch) as tap:
        reply = await buyer.ask()
    assert {sent.headers["X-SETTLEMENT-TYPE"] for sent in tap.sent} == {settlement}
    promised = any("promised" in item for item in reply.receipt.unresolved)
    assert promised is (settlement != "private")


async def test_an_estimate_spans_the_cost_and_costs_nothing(buyer: Customer) -> None:
    question = {"model": MODEL, "messages": "how much? " * 20, "max_tokens": 100}
    estimate = await buyer.client.chat.estimate(**question)
    await buyer.assert_nothing_happened()
    cost = (await buyer.client.chat.create(**question)).receipt.cost
    assert cost is not None
    assert estimate.minimum.atoms <= estimate.expected.atoms <= estimate.maximum.atoms
    assert estimate.minimum.atoms <= cost.atoms <= estimate.maximum.atoms
    assert estimate.authorization == Amount(CAP)


async def test_the_computed_cost_is_what_the_node_counts(buyer: Customer) -> None:
    replies = [await buyer.ask(messages="hi" * length) for length in (1, 50, 333)]
    costs = [reply.receipt.cost.atoms for reply in replies if reply.receipt.cost is not None]
    assert len(set(costs)) == 3
    assert sum(costs) == buyer.served


async def test_models_nodes_and_wallet_can_be_seen(buyer: Customer, net: Devnet) -> None:
    models = {model.id: model for model in await buyer.client.models.list()}
    assert models["openai/gpt-5"].input_usd is not None
    (node,) = await buyer.client.nodes.list()
    assert (node.tee_id, node.endpoint) == (net.nodes[0].tee_id, net.nodes[0].endpoint)
    snapshot = await buyer.client.nodes.snapshot(refresh=True)
    assert snapshot.nodes == (node,)
    balances = await buyer.client.wallet.balances()
    assert (balances.address, balances.opg) == (buyer.signer.address, Amount.parse("10 OPG"))
    assert (balances.coin.atoms, balances.allowance.atoms) == (0, 0)


async def test_a_node_can_be_named(buyer: Customer, net: Devnet) -> None:
    node = net.nodes[0]
    for name in (str(node.tee_id), node.endpoint):
        assert (await buyer.ask(node=name)).receipt.tee_id == node.tee_id


async def test_receipts_can_be_found_again(buyer: Customer, net: Devnet) -> None:
    first = await buyer.ask(tag="a")
    middle = net.clock.now()
    second = await buyer.ask(tag="b", model="gpt-5-mini")
    receipts = buyer.client.receipts
    assert await receipts.get(first.receipt.id) == first.receipt
    assert await receipts.list() == (first.receipt, second.receipt)
    assert await receipts.list(tag="a") == (first.receipt,)
    assert await receipts.list(model="gpt-5-mini") == (second.receipt,)
    assert await receipts.list(since=middle) == (second.receipt,)


async def test_what_is_required_less_is_given_more_of(customer: CustomerFactory) -> None:
    buyer = await customer(require=Assurance.UNVERIFIED)
    assert (await buyer.ask()).receipt.assurance is Assurance.REGISTERED


async def test_closing_ends_calls_under_way_and_sends_nothing_again(
    buyer: Customer, net: Devnet
) -> None:
    net.nodes[0].faults.delay = 60
    calling = asyncio.create_task(buyer.ask())
    while not any(session.in_flight for session in net.nodes[0].sessions):
        await asyncio.wait([calling], timeout=0.02)
        assert not calling.done(), calling.exception()
    before = net.nodes[0].requests[CHAT]
    await buyer.client.aclose()
    with pytest.raises(PaymentOutcomeUnknownError) as error:
        await calling
    assert error.value.spent is Spent.MAYBE
    assert net.nodes[0].requests[CHAT] == before
