"""Written down before it is sent: what a crash cannot take away."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import SqliteStore, open_store
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.payments.journal import SCHEMA, Journal
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Amount, Bytes32

from .makers import CAP, CHAT, NOW, OWNER, PAYEE, STRANGER, TEE, a_life

NETWORK = DEVNET.payments.caip2
TX = Bytes32(b"\x07" * 32)
LARGEST_NONCE = 2**256 - 1

WRITER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from makers import a_life
from opengradient_sdk._core.store import SqliteStore
from opengradient_sdk.payments.journal import SCHEMA, Journal

async def main():
    journal = Journal(SqliteStore(sys.argv[2], SCHEMA))
    await journal.write(a_life(77))
    print("written", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


@pytest.fixture(params=DURABLE)
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    store = open_store(location(request.param, request, tmp_path), SCHEMA)
    yield Journal(store)
    await store.aclose()


async def test_everything_that_is_needed_to_ask_the_chain_is_kept(journal: Journal) -> None:
    life = a_life(LARGEST_NONCE)
    await journal.write(life)
    (entry,) = await journal.entries(OWNER, NETWORK)
    assert (entry.owner, entry.network, entry.nonce) == (OWNER, NETWORK, LARGEST_NONCE)
    assert (entry.cap, entry.recipient, entry.tee_id, entry.route) == (CAP, PAYEE, TEE, CHAT)
    assert (entry.deadline, entry.signed_at) == (life.authorization.deadline, NOW)
    assert entry.from_block == 7
    assert (entry.state, entry.charged, entry.transaction) == (PaymentState.OPEN, None, None)


async def test_entries_are_one_owners_on_one_network_oldest_first(journal: Journal) -> None:
    await journal.write(a_life(2, signed_at=NOW + 1))
    await journal.write(a_life(1, signed_at=NOW))
    assert [entry.nonce for entry in await journal.entries(OWNER, NETWORK)] == [1, 2]
    assert await journal.entries(STRANGER, NETWORK) == []
    assert await journal.entries(OWNER, "eip155:1") == []


@pytest.mark.parametrize(
    "status",
    [
        PaymentStatus(PaymentState.SETTLED, "", Amount(CAP), TX),
        PaymentStatus(PaymentState.CANCELLED, "", Amount(0), TX),
        PaymentStatus(PaymentState.NOT_CHARGED, "", Amount(0)),
        PaymentStatus(PaymentState.UNKNOWN, ""),
    ],
    ids=lambda status: status.state.name,
)
async def test_the_chains_word_is_kept(journal: Journal, status: PaymentStatus) -> None:
    life = a_life()
    await journal.write(life)
    await journal.write(a_life(2))
    await journal.resolve(life, status)
    entry, other = await journal.entries(OWNER, NETWORK)
    assert (entry.state, entry.charged, entry.transaction) == (
        status.state,
        status.amount,
        status.transaction,
    )
    assert other.state is PaymentState.OPEN


async def test_one_nonce_is_written_once(journal: Journal) -> None:
    await journal.write(a_life(5))
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        await journal.write(a_life(5))
    assert len(await journal.entries(OWNER, NETWORK)) == 1


async def test_there_is_no_secret_in_the_file(path: Path) -> None:
    store = SqliteStore(path, SCHEMA)
    journal = Journal(store)
    life = a_life()
    life.opened("a-session-id-worth-its-cap", losses=0)
    await journal.write(life)
    written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert str(life.authorization.nonce).encode() in written
    for secret in (life.authorization.header, "a-session-id-worth-its-cap"):
        assert secret.encode() not in written
    assert life.authorization.signature not in written
    await store.aclose()


async def test_what_was_written_survives_a_killed_process(path: Path) -> None:
    path.parent.mkdir()
    here = str(Path(__file__).parent)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, here, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()

    store = SqliteStore(path, SCHEMA)
    try:
        (entry,) = await Journal(store).entries(OWNER, NETWORK)
        assert (entry.nonce, entry.cap, entry.state) == (77, CAP, PaymentState.OPEN)
    finally:
        await store.aclose()


async def test_several_processes_may_share_a_file(path: Path) -> None:
    stores = [SqliteStore(path, SCHEMA) for _ in range(3)]
    try:
        await asyncio.gather(
            *(
                Journal(store).write(a_life(10 * number + call))
                for number, store in enumerate(stores)
                for call in range(5)
            )
        )
        for store in stores:
            assert len(await Journal(store).entries(OWNER, NETWORK)) == 15
    finally:
        for store in stores:
            await store.aclose()
