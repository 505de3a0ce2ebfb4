"""Transactions that are to be sent, whoever signed them: their slots become ours to send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ...errors import NonceError
from ...types import Bytes32, SignedTx
from .leasing import supersede
from .moves import write_attempts
from .page import Page, attend, check_nonces
from .schema import in_chunks
from .slots import AttemptKind, SlotState


class _Found(NamedTuple):
    """What the book has for a nonce; ``requests`` are the request ids of all bytes, by hash."""

    state: SlotState
    request_id: str | None
    mined_hash: str | None
    live: frozenset[str]
    requests: dict[str, str | None]


_NOTHING: Final = _Found(SlotState.FREE, None, None, frozenset(), {})


def send(page: Page, signed: Sequence[SignedTx]) -> tuple[Bytes32, ...]:
    """Make these this holder's to send; return the hashes of bytes whose place they took."""
    attend(page)
    check_nonces([one.tx.nonce for one in signed])
    found = _found(page, [one.tx.nonce for one in signed])
    wanted = [one for one in signed if _is_wanted(one, found.get(one.tx.nonce, _NOTHING))]
    adopted = [one for one in wanted if not _is_live(one, found)]
    superseded = supersede(page, [one.tx.nonce for one in adopted])
    requests = {
        one.tx.nonce: found.get(one.tx.nonce, _NOTHING).requests.get(str(one.hash))
        for one in adopted
    }
    write_attempts(page, adopted, AttemptKind.ORIGINAL, requests)
    kept = {one.tx.nonce: found[one.tx.nonce].request_id for one in wanted if _is_live(one, found)}
    _to_sending(page, {**requests, **kept})
    return superseded


def _is_wanted(one: SignedTx, found: _Found) -> bool:
    """Return whether the slot must change, ``False`` where it is as it should be.

    Raises:
        NonceError: The nonce is used, or another transaction has it.
    """
    hash_ = str(one.hash)
    match found.state:
        case SlotState.MINED | SlotState.FINAL if found.mined_hash == hash_:
            return False
        case SlotState.MINED | SlotState.FINAL | SlotState.TAKEN:
            by = f" by {found.mined_hash}" if found.mined_hash else ""
            raise NonceError(
                f"the account's nonce {one.tx.nonce} was already used{by}",
                hint="Another transaction of this account came first. Build it again.",
            )
        case SlotState.SIGNED | SlotState.SENDING if found.live and hash_ not in found.live:
            raise NonceError(
                f"another transaction has the nonce {one.tx.nonce}",
                hint="Replace or cancel that one, or discard it if it was not sent.",
            )
        case _:
            return True


def _is_live(one: SignedTx, found: dict[int, _Found]) -> bool:
    return str(one.hash) in found.get(one.tx.nonce, _NOTHING).live


def _to_sending(page: Page, requests: dict[int, str | None]) -> None:
    page.db.execute_many(
        "INSERT INTO nonce_slot (account, nonce, state, holder, sponsored, request_id)"
        " VALUES (?, ?, 'SENDING', ?, 0, ?) ON CONFLICT (account, nonce) DO UPDATE SET"
        " state = 'SENDING', holder = excluded.holder, expires = NULL, sponsored = 0,"
        " request_id = excluded.request_id",
        [(page.account, nonce, page.holder, id_) for nonce, id_ in requests.items()],
    )


def _found(page: Page, nonces: Sequence[int]) -> dict[int, _Found]:
    found: dict[int, _Found] = {}
    for places, part in in_chunks(nonces):
        rows = page.db.execute(
            "SELECT s.nonce, s.state, s.request_id, s.mined_hash, a.hash, a.fate, a.request_id"  # noqa: S608  # placeholders
            " FROM nonce_slot s LEFT JOIN nonce_attempt a"
            " ON a.account = s.account AND a.nonce = s.nonce"
            f" WHERE s.account = ? AND s.nonce IN {places}",
            (page.account, *part),
        )
        for nonce, state, request_id, mined_hash, hash_, fate, of_bytes in rows:
            known = found.get(
                nonce, _Found(SlotState(state), request_id, mined_hash, frozenset(), {})
            )
            live = known.live | {hash_} if fate == "LIVE" else known.live
            found[int(nonce)] = known._replace(
                live=live, requests={**known.requests, **({hash_: of_bytes} if hash_ else {})}
            )
    return found
