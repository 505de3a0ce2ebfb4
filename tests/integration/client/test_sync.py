"""The twin without ``await``: from scripts, threads, and inside a running loop."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, TypeVar

import pydantic
import pytest

from opengradient_sdk import Amount, Assurance, Devnet, OpenGradient, PaymentState, Signer
from opengradient_sdk.errors import (
    ConfigurationError,
    OpenGradientError,
    PolicyRejectedError,
    StreamInterruptedError,
)
from opengradient_sdk.types import Address

from .conftest import make_honest
from .kit import CAP

T = TypeVar("T")
ASK = {"model": "openai/gpt-5", "messages": "hi", "max_tokens": 64}


class Invoice(pydantic.BaseModel):
    number: str


@pytest.fixture
async def wallet(net: Devnet) -> Signer:
    return await net.new_account(opg="10", eth="1")


async def in_a_script(work: Callable[..., T], *arguments: Any) -> T:
    """Run ``work`` where no event loop runs; the Devnet lives in this one."""
    return await asyncio.to_thread(work, *arguments)


def a_client(net: Devnet, wallet: Signer, **arguments: Any) -> OpenGradient:
    defaults: dict[str, Any] = {"signer": wallet, "network": net.profile, "store": ":memory:"}
    return OpenGradient(**defaults | arguments)


def background_threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("opengradient")}


async def test_the_six_lines(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with a_client(net, wallet) as client:
            reply = client.chat.create(**ASK)
            assert "You said: hi" in reply.text
            assert reply.receipt.assurance is Assurance.REGISTERED
            assert client.receipts.list() == (reply.receipt,)
            assert client.receipts.get(reply.receipt.id) == reply.receipt

    await in_a_script(script)
    assert background_threads() == set()


async def test_streams_are_plain_iterators(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with a_client(net, wallet) as client:
            with client.chat.stream(**ASK) as stream:
                pieces = stream.text_stream
                assert isinstance(pieces, Iterator)
                first = next(pieces)
                rest = "".join(pieces)
                reply = stream.get_final_reply()
            assert first + rest == reply.text
            with client.chat.stream(**ASK) as stream:
                for _ in stream.text_stream:
                    break
            broken = client.chat.stream(**ASK | {"messages": "fail midway please"})
            with broken, pytest.raises(StreamInterruptedError):
                list(broken.text_stream)
            assert client.chat.create(**ASK).text == reply.text

    await in_a_script(script)


async def test_everything_else_has_its_twin(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with a_client(net, wallet) as client:
            assert client.wallet.address == wallet.address
            assert client.wallet.balances().opg == Amount.parse("10 OPG")
            assert client.wallet.ensure_allowance() == Amount.parse("1 OPG")
            assert {model.name for model in client.models.list()} >= {"gpt-5"}
            (node,) = client.nodes.list()
            assert client.nodes.snapshot().nodes == (node,)
            estimate = client.chat.estimate(**ASK)
            assert estimate.authorization == Amount(CAP)
            parsed = client.chat.parse(model="gpt-5", messages="x", response_model=Invoice)
            assert isinstance(parsed.parsed, Invoice)
            completion = client.completions.create(model="gpt-5", prompt="Once")
            assert completion.receipt.route == "/v1/completions"
            decimals = client.run(client.contracts.opg.decimals())
            assert decimals == 18

    await in_a_script(script)


async def test_payments_by_hand(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with a_client(net, wallet) as client:
            challenge = client.payments.challenge(None, ASK)
            client.payments.check(challenge.offers[0], challenge.node.payment_address)
            authorization = client.payments.authorize(challenge.offers[0])
            assert len(client.payments.unresolved) == 1
            assert client.payments.status(authorization).state is PaymentState.OPEN
            assert client.payments.cancel(authorization).state is PaymentState.CANCELLED
            assert client.payments.unresolved == ()

    await in_a_script(script)


async def test_transactions_by_hand(net: Devnet, wallet: Signer) -> None:
    friend = Address("0x" + "cd" * 20)

    def script() -> None:
        with a_client(net, wallet) as client:
            chain, opg = client.chains.payments, client.contracts.opg
            signed = chain.sign(chain.build(opg.transfer(friend, 5)))
            pending = chain.send(signed)
            assert pending.hash == signed.hash
            assert pending.wait(timeout=10).succeeded
            followed = chain.follow(signed)
            assert (followed.hash, followed.wait().succeeded) == (signed.hash, True)
            chain.discard(chain.build(opg.transfer(friend, 5)))
            assert chain.execute(opg.transfer(friend, 5)).succeeded
            assert client.run(opg.balance_of(friend)) == 10

    await in_a_script(script)


async def test_waiting_for_a_settlement(net: Devnet, wallet: Signer) -> None:
    with a_client(net, wallet) as client:
        reply = await in_a_script(lambda: client.chat.create(**ASK))
        waiting = asyncio.create_task(in_a_script(client.receipts.wait, reply.receipt))
        await net.advance(130)
        receipt = await waiting
    assert receipt.payment.amount == receipt.cost


async def test_inside_a_running_loop(net: Devnet, wallet: Signer) -> None:
    """As in a notebook: the cell's loop runs, and the call blocks it."""

    async def cell() -> str:
        with a_client(net, wallet) as client:
            return client.chat.create(**ASK).text

    assert "You said: hi" in await in_a_script(lambda: asyncio.run(cell()))


async def test_from_several_threads(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with a_client(net, wallet) as client, ThreadPoolExecutor(8) as pool:
            replies = list(
                pool.map(
                    lambda n: client.chat.create(**ASK | {"messages": f"number {n}"}), range(24)
                )
            )
        assert [f"number {n} " in r.text for n, r in enumerate(replies)] == [True] * 24
        assert len({reply.receipt.authorization.nonce for reply in replies}) == 1

    await in_a_script(script)


async def test_errors_are_those_of_the_async_client(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with a_client(net, wallet) as client:
            with pytest.raises(ConfigurationError, match="max_tokens"):
                client.chat.create(model="gpt-5", messages="hi", max_tokens=-1)
            with pytest.raises(PolicyRejectedError):
                client.wallet.ensure_allowance("5 OPG")

    await in_a_script(script)


async def test_a_closed_client_says_so(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        client = a_client(net, wallet)
        with pytest.raises(RuntimeError, match="with OpenGradient"):
            client.run(asyncio.sleep(0))
        with pytest.raises(ConfigurationError, match="not open"):
            client.chat.stream(**ASK)
        with client:
            client.chat.create(**ASK)
        with pytest.raises((RuntimeError, ConfigurationError)):
            client.chat.create(**ASK)
        with pytest.raises(ConfigurationError, match="opened once"), client:
            pass  # its budget has been counted

    await in_a_script(script)
    assert background_threads() == set()


async def test_an_error_in_the_block_closes_it_too(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with pytest.raises(ConfigurationError), a_client(net, wallet) as client:
            client.chat.create(**ASK | {"timeout": -1})

    await in_a_script(script)
    assert background_threads() == set()


async def test_closing_from_another_thread_ends_calls_under_way(
    net: Devnet, wallet: Signer
) -> None:
    net.nodes[0].faults.delay = 60
    client = a_client(net, wallet)
    client.__enter__()
    calling = asyncio.create_task(in_a_script(lambda: client.chat.create(**ASK)))
    while not net.nodes[0].sessions or not net.nodes[0].sessions[-1].in_flight:
        await asyncio.wait([calling], timeout=0.02)
    await in_a_script(client.close)
    with pytest.raises((OpenGradientError, CancelledError, asyncio.CancelledError)):
        await calling
    assert background_threads() == set()
    make_honest(net)


INTERRUPTED = """
import os, signal, threading
from opengradient_sdk import OpenGradient

# jobs in the background of a shell are born deaf to interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)

def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)

client = OpenGradient(store=":memory:")
try:
    with client:
        client.chat.create(model="gpt-5", messages="hi")
        threading.Timer(0.3, press_ctrl_c).start()
        client.chat.create(model="gpt-5", messages="sleep 60s")
except KeyboardInterrupt:
    names = [t.name for t in threading.enumerate() if t.name.startswith("opengradient")]
    print("interrupted", names)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_ctrl_c_ends_the_call_and_leaves_no_thread(net: Devnet) -> None:
    """In a process of its own: an interrupt goes to the main thread."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        INTERRUPTED,
        env={**os.environ, **net.env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert out.decode().strip() == "interrupted []", error.decode()
    assert process.returncode == 0


async def test_receipts_can_be_kept_as_json(net: Devnet, wallet: Signer) -> None:
    def script() -> None:
        with a_client(net, wallet) as client:
            evidence = client.chat.create(**ASK).receipt.evidence
            again = type(evidence).from_json(json.loads(json.dumps(evidence.to_json())))
            assert again == evidence

    await in_a_script(script)
