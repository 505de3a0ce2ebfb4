"""The small parts of the facilitator: RLP, signatures, jobs, batches that wait."""

import asyncio

import pytest
import rlp
from eth_account import Account as EthAccount
from hypothesis import given, settings
from hypothesis import strategies as st

from opengradient_sdk.devnet.contracts.addresses import SETTLEMENT_RELAY
from opengradient_sdk.devnet.facilitator.account import Account
from opengradient_sdk.devnet.facilitator.batch import DataSettler
from opengradient_sdk.devnet.facilitator.blobs import BlobStore
from opengradient_sdk.devnet.facilitator.data import Leaf
from opengradient_sdk.devnet.facilitator.evm import Rpc
from opengradient_sdk.devnet.facilitator.jobs import JobBook, JobQueue, JobStatus
from opengradient_sdk.devnet.facilitator.reasons import RefusedError
from opengradient_sdk.devnet.facilitator.recovery import recover
from opengradient_sdk.devnet.facilitator.rlp_reader import list_of, read_list
from opengradient_sdk.errors import ChainError
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Bytes32

from .facilitator_doubles import BrokenChain, FixedClock

KEY = bytes([7]) * 32
NOW = 1_784_200_000.0


# --- RLP ----------------------------------------------------------------------------------------

members = st.recursive(
    st.binary(max_size=70), lambda inner: st.lists(inner, max_size=4), max_leaves=20
)


@settings(deadline=None)
@given(st.lists(members, max_size=12))
def test_reads_every_list_that_rlp_writes(values):
    """Members, their kinds and their ends agree with the reference encoder."""
    payload, items = read_list(rlp.encode(values))
    assert len(items) == len(values)
    for count, (item, value) in enumerate(zip(items, values, strict=True), 1):
        assert item.is_list == isinstance(value, list)
        if not item.is_list:
            assert item.content == value
        assert list_of(payload[: item.end]) == rlp.encode(values[:count])


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_refuses_what_rlp_refuses(data):
    """Arbitrary bytes are read as the reference decoder reads them, or refused as it does."""
    try:
        expected = rlp.decode(data)
    except rlp.exceptions.RLPException:
        expected = None
    if not isinstance(expected, list):
        with pytest.raises(ValueError, match="RLP"):
            read_list(data)
        return
    try:
        _payload, items = read_list(data)
    except ValueError:
        pytest.fail("refused what the reference decoder reads")
    assert len(items) == len(expected)


@pytest.mark.parametrize("content", [b"\x00", b"\x00\x01", bytes(33)])
def test_an_integer_has_no_leading_zero(content):
    """Transactions with padded integers are malformed."""
    _payload, (item,) = read_list(rlp.encode([content]))
    with pytest.raises(ValueError, match="integer"):
        item.integer()


# --- signatures ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_recovers_the_signer_from_both_forms(digest):
    """65 bytes and the compact 64 of EIP-2098 name the same account."""
    account = EthAccount.from_key(KEY)
    signed = account.unsafe_sign_hash(digest)
    assert recover(digest, bytes(signed.signature)) == account.address
    compact = signed.s | (signed.v - 27) << 255
    both = signed.r.to_bytes(32, "big") + compact.to_bytes(32, "big")
    assert recover(digest, both) == account.address


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        bytes(65),
        bytes(66),
        b"\xff" * 65,
        b"\x01" * 64 + b"\x1d",
        bytes(64) + b"\x1b",
    ],
    ids=["none", "64 zeros", "65 zeros", "66 bytes", "no scalar", "v 29", "zero with v"],
)
def test_nobody_made_an_impossible_signature(signature):
    """What no key can have made is nobody's, without an error."""
    assert recover(bytes(32), signature) is None


# --- jobs ---------------------------------------------------------------------------------------


async def finished(book, work):
    """Run one job to its end and return it."""
    queue = JobQueue(book)
    job = book.open("payment", "queue")
    queue.add(job, work)
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(queue.run())
        await queue.join()
        worker.cancel()
    return job


async def test_a_refused_job_says_why():
    """Reason and sentence are in the job's result."""

    async def refuse(_job):
        raise RefusedError("permit2_invalid_nonce", "used")

    job = await finished(JobBook(FixedClock(NOW)), refuse)
    assert job.status is JobStatus.FAILED
    assert job.to_json()["error"] == "permit2_invalid_nonce: used"
    assert job.to_json()["result"] == {
        "success": False,
        "errorReason": "permit2_invalid_nonce",
        "errorMessage": "used",
    }


async def test_a_chain_error_fails_the_job_and_not_the_worker():
    """What the chain cannot do is noted; the next job is done all the same."""
    book = JobBook(FixedClock(NOW))

    async def break_down(_job):
        raise ChainError("no block for a minute")

    async def succeed(_job):
        return {"success": True}

    assert (await finished(book, break_down)).error == "no block for a minute"
    assert (await finished(book, succeed)).status is JobStatus.SUCCEEDED


async def test_a_bug_in_a_job_is_not_hidden():
    """An error that nobody foresaw ends the worker, so that it is seen."""
    queue, book = JobQueue(JobBook(FixedClock(NOW))), JobBook(FixedClock(NOW))

    async def stumble(_job):
        raise KeyError("bug")

    queue.add(book.open("payment", "queue"), stumble)
    with pytest.raises(KeyError, match="bug"):
        await queue.run()


def test_jobs_show_their_times_in_milliseconds():
    """``createdAt`` is ISO 8601 with three digits and Z; unknown members are absent."""
    job = JobBook(FixedClock(NOW)).open("settlement-batch", "queue", settlement_type="batch")
    shown = job.to_json()
    assert shown["createdAt"] == "2026-07-16T11:06:40.000Z"
    assert set(shown) == {
        "jobId",
        "queue",
        "status",
        "createdAt",
        "updatedAt",
        "result",
        "settlementType",
    }


# --- batches ------------------------------------------------------------------------------------


def waiting_batch(clock):
    account = Account(Rpc(BrokenChain()), LocalSigner.from_key(KEY))
    return DataSettler(account, SETTLEMENT_RELAY, BlobStore(), JobBook(clock), clock)


def leaf(number=0):
    word = Bytes32(number.to_bytes(32, "big"))
    return Leaf(word, word, word, b"signature", 1_784_200_000)


def test_a_batch_is_due_when_it_is_full():
    """The twentieth leaf makes the batch due, the nineteenth does not."""
    data = waiting_batch(FixedClock(NOW))
    assert not data.due()
    for number in range(19):
        data.add(leaf(number))
    assert not data.due()
    data.add(leaf(19))
    assert data.due()


def test_a_batch_is_due_after_five_idle_minutes_or_fifteen_in_all():
    """Time is the Devnet's: each leaf restarts the idle time, none restarts the age."""
    clock = FixedClock(NOW)
    data = waiting_batch(clock)
    data.add(leaf())
    clock.time += 299
    assert not data.due()
    clock.time += 1
    assert data.due()
    for _ in range(2):
        data.add(leaf())
        clock.time += 299
        assert not data.due()
    data.add(leaf())
    clock.time += 2
    assert data.due(), "900 s after the first leaf"


async def test_a_batch_that_fails_is_kept():
    """A dead chain loses nothing: the leaves stay and the job is not finished."""
    clock = FixedClock(NOW)
    data = waiting_batch(clock)
    job = data.add(leaf())
    clock.time += 300
    with pytest.raises(ChainError, match="dead"):
        await data.flush()
    assert data.due()
    assert job.status is JobStatus.PROCESSING
