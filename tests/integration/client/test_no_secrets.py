"""No key, payment header, session id or signature shows anywhere: all of it is searched."""

# ruff: noqa: ASYNC240 - nothing else runs on the loop that these tests block

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.secret_search import find_secrets

from opengradient_sdk import Devnet
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.devnet.faults import FAULTS, inject
from opengradient_sdk.errors import OpenGradientError

from .kit import Customer, CustomerFactory

KEY = "order-17"
SOON = 0.2
"""How long a caller waits for nodes that never answer (seconds); who is slower errs, too."""


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Everything that any logger of the process says while the test runs, formatted."""
    lines: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record) + repr(record.args) + repr(record.exc_info))

    root, handler = logging.getLogger(), Keeping()
    before = {logger: logger.level for logger in (root, logging.getLogger("opengradient_sdk"))}
    for logger in before:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    for logger, level in before.items():
        logger.setLevel(level)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The store's file, with nothing but the store in its folder."""
    return tmp_path / "state" / "store.sqlite"


@pytest.fixture
def key_place(tmp_path: Path) -> Path:
    """The store's key, elsewhere."""
    return tmp_path / "keys" / "key"


@pytest.fixture
async def one(place: Path, key_place: Path, customer: CustomerFactory) -> Customer:
    """A customer whose client writes to a file."""
    return await customer(budget="20 OPG", eth="1", store=str(place), store_key=str(key_place))


def secrets_of(one: Customer, key_place: Path) -> dict[str, str]:
    """Everything that is worth something to a thief, by name."""
    assert one.lives
    signed = [life.authorization for life in one.lives]
    found = {"the wallet's key": one.signer.key, "the store's key": key_place.read_text().strip()}
    found |= {f"header {at}": each.header for at, each in enumerate(signed)}
    found |= {f"signature {at}": each.signature.hex() for at, each in enumerate(signed)}
    sessions = [
        session.id
        for node in one.net.nodes
        for session in node.sessions
        if session.payer == one.signer.address.lower()
    ]
    found |= {f"session {at}": session for at, session in enumerate(sessions)}
    assert len(signed) <= len(sessions)
    return found


async def busy_hour(one: Customer) -> list[Any]:
    """Do everything that a client does with secrets; return what it gave back."""
    client = one.client
    replies: list[Any] = [await one.ask(), await one.ask(idempotency_key=KEY)]
    replies.append(await one.ask(idempotency_key=KEY))
    async with client.chat.stream(**one.question()) as stream:
        replies.append(await stream.get_final_reply())
    async with client.session(max_exposure="0.2 OPG") as session:
        replies.append(await session.chat.create(**one.question()))
        replies.append(session)
    async with inject(one.net, "cut-response"):
        replies.append(await one.ask())
    await client.wallet.ensure_allowance("1 OPG")
    replies += [await client.budget.standing(), await client.payments.journal()]
    return replies


async def test_nothing_secret_in_what_a_client_gives_back_and_says(
    one: Customer, key_place: Path, logged: list[str]
) -> None:
    given = await busy_hour(one)
    await one.net.advance(130)
    given.append(await one.client.payments.resolve())
    secrets = secrets_of(one, key_place)

    said = "".join(logged)
    assert said
    assert find_secrets(said, secrets) == []
    for thing in (*given, *one.events):
        assert find_secrets(thing, secrets) == []
    for reply in given:
        if isinstance(reply, Reply):
            assert find_secrets(reply.receipt, secrets) == []
            assert find_secrets(reply.receipt.explain(), secrets) == []


async def test_nothing_secret_in_the_parts_of_a_client(one: Customer, key_place: Path) -> None:
    await busy_hour(one)
    secrets = secrets_of(one, key_place)

    core = one.client._work.core  # type: ignore[union-attr]
    assert find_secrets(one.client, secrets) == []
    assert find_secrets(core, secrets) == []
    for part in vars(core).values():
        assert find_secrets(part, secrets) == []
    for life in one.lives:
        assert find_secrets(life, secrets) == []
        assert find_secrets(life.authorization, secrets) == []


async def test_nothing_secret_in_the_store_open_or_closed(
    one: Customer, place: Path, key_place: Path
) -> None:
    await busy_hour(one)
    secrets = secrets_of(one, key_place)
    assert {file.name for file in place.parent.iterdir()} >= {place.name, f"{place.name}-wal"}
    assert find_secrets(place.parent, secrets) == []

    await one.client.aclose()

    assert find_secrets(place.parent, secrets) == []
    with sqlite3.connect(place) as store:  # what was searched is the store that was written
        ((sealed,),) = store.execute(
            'SELECT count(*) FROM "authorization" WHERE secret IS NOT NULL'
        ).fetchall()
    store.close()
    assert sealed == len([name for name in secrets if name.startswith("header")])


async def test_answers_are_sealed_in_the_store(one: Customer, place: Path) -> None:
    reply = await one.ask(idempotency_key=KEY, messages="the password is swordfish")
    await one.client.aclose()

    private = {"question": "the password is swordfish", "answer": reply.text}
    assert find_secrets(place.parent, private) == []


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "none"])
async def test_nothing_secret_in_errors(
    net: Devnet, one: Customer, key_place: Path, fault: str, streamed: bool, logged: list[str]
) -> None:
    errors = list[OpenGradientError]()
    for seed in (0, 1):
        async with inject(net, fault, seed=seed, times=3):
            errors += await one_call(one, streamed)

    secrets = {f"secret {at}": secret for at, secret in enumerate(one.secrets)}
    if key_place.exists():
        secrets["the store's key"] = key_place.read_text().strip()
    for error in errors:
        assert find_secrets(error, secrets) == []
    assert find_secrets("".join(logged), secrets) == []


async def one_call(one: Customer, streamed: bool) -> list[OpenGradientError]:
    try:
        async with asyncio.timeout(10):
            if not streamed:
                await one.ask(timeout=SOON)
            else:
                async with one.client.chat.stream(**one.question(timeout=SOON)) as stream:
                    await stream.get_final_reply()
    except OpenGradientError as error:
        return [error]
    return []
