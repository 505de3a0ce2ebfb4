"""Challenges that are nearly valid: each member changed, dropped, doubled or buried in junk."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from opengradient_sdk.profiles import DEVNET

from .makers import CAP, FACILITATOR, OWNER, PAYEE, STRANGER

Member = tuple[str, Any]
Members = list[Member]
"""An object as pairs, so that a name can stand in it twice."""

VALID_EXTRA: Members = [
    ("name", "OpenGradient"),
    ("version", "1"),
    ("assetTransferMethod", "permit2"),
    ("facilitatorAddress", str(FACILITATOR)),
]
VALID_OFFER: Members = [
    ("scheme", "upto"),
    ("network", "eip155:31337"),
    ("asset", str(DEVNET.opg)),
    ("amount", str(CAP)),
    ("payTo", str(PAYEE)),
    ("maxTimeoutSeconds", 300),
    ("extra", VALID_EXTRA),
]
VALID_TOP: Members = [
    ("x402Version", 2),
    ("error", "Payment required"),
    ("resource", [("url", "http://host/v1/chat/completions")]),
    ("extensions", [("erc20ApprovalGasSponsoring", [("info", [("version", "1")])])]),
]

_JUNK: list[Any] = [
    None,
    "",
    0,
    1,
    -1,
    True,
    False,
    1.5,
    float("nan"),
    float("inf"),
    [],
    [[]],
    "\0",
]
_DEEP: Any = ["x"]
for _ in range(40):
    _DEEP = [_DEEP]

_ACCOUNTS = [
    *(str(a) for a in (DEVNET.opg, PAYEE, FACILITATOR, STRANGER, OWNER)),
    *(str(a) for a in (DEVNET.permit2, DEVNET.upto_proxy, DEVNET.exact_proxy)),
    "0x" + "0" * 40,
    "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",  # USDC on Base
]


def address_near(address: str) -> st.SearchStrategy[Any]:
    """Spellings of an address, right and wrong, other addresses, and what is none."""
    return st.sampled_from(_address_like(address)) | _one_digit_off(address)


def number_near(number: int) -> st.SearchStrategy[Any]:
    """Spellings of a number, right and wrong, other numbers, and what is none."""
    return st.sampled_from(_number_like(number)) | _other_numbers(number)


def _address_like(address: str) -> list[Any]:
    digits = address[2:]
    return [
        address.lower(),
        "0x" + digits.upper(),
        "0X" + digits,
        "0x" + digits.swapcase(),
        digits,
        address[:-1],
        address + "0",
        address + " ",
        address + "\n",
        " " + address,
        address.replace("a", "а"),  # Cyrillic
        address.replace("0", "０"),
        "0x" + "0" * 24 + digits,
        "eip155:31337:" + address,
        [address],
        [("address", address)],
        *_ACCOUNTS,
        *_JUNK,
    ]


def _one_digit_off(address: str) -> st.SearchStrategy[str]:
    return st.builds(
        lambda at, digit: address[:at] + digit + address[at + 1 :],
        st.integers(2, 41),
        st.sampled_from("0123456789abcdefABCDEFgG"),
    )


def _number_like(number: int) -> list[Any]:
    text = str(number)
    return [
        number,
        float(number),
        text,
        "0" + text,
        "+" + text,
        "-" + text,
        text + " ",
        text + "\n",
        text + ".0",
        text[0] + "_" + text[1:],
        f"{number:e}",
        hex(number),
        text.translate({ord("0") + i: chr(0x0660 + i) for i in range(10)}),
        text.translate({ord("0") + i: chr(0xFF10 + i) for i in range(10)}),
        text + "²",
        "9" * 78,
        "9" * 5000,
        str(2**256),
        str(2**256 - 1),
        [text],
        *_JUNK,
    ]


def _other_numbers(number: int) -> st.SearchStrategy[int | str]:
    numbers = st.integers(number - 2, number + 2) | st.integers(-(2**70), 2**260)
    return numbers | numbers.map(str)


_TEXTS = {
    "scheme": ["upto", "exact", "UPTO", "upto ", "uptо", "up", "subscription", ["upto"], "batch"],
    "network": [
        "eip155:31337",
        "eip155:31337 ",
        "EIP155:31337",
        "eip155:031337",
        "eip155:３１３３７",
        "eip155:1",
        "eip155:8453",
        "eip155:*",
        "eip155:",
        "base",
        "solana:mainnet",
        31337,
    ],
    "assetTransferMethod": ["permit2", "Permit2", "permit2 ", "eip3009", "eip2612", ["permit2"]],
    "x402Version": [1, "1", 2, "2", 3, 2.0, "２", 10**20],
}
_POOLS: dict[str, list[Any]] = {
    **{name: [*texts, *_JUNK] for name, texts in _TEXTS.items()},
    "asset": _address_like(str(DEVNET.opg)),
    "payTo": _address_like(str(PAYEE)),
    "facilitatorAddress": _address_like(str(FACILITATOR)),
    "amount": _number_like(CAP),
    "maxTimeoutSeconds": _number_like(300),
    "extra": [*_JUNK, "permit2", _DEEP],
    "name": ["USD Coin", "Permit2", *_JUNK],
    "version": ["2", *_JUNK],
    "error": ["permit2_allowance_required", "\n", _DEEP, *_JUNK],
    "resource": [_DEEP, *_JUNK],
    "extensions": [_DEEP, *_JUNK, [("eip2612GasSponsoring", [("info", 1)])]],
}
_STRANGE: dict[str, list[Any]] = {
    "amountRequired": ["0", str(10**30)],
    "maxAmountRequired": ["0", str(10**30)],
    "permit": [_DEEP, *_JUNK],
}
_KINDS = ["set", "set", "set", "drop", "before", "after"]
_Change = tuple[str, str, Any]


def _changes(members: Members) -> st.SearchStrategy[_Change]:
    """Ways to change one member of an object, or to add one.

    Drawn as one choice: what is generated costs more time than what is tested.
    """
    pools = {name: _POOLS[name] for name, _ in members} | _STRANGE
    return st.sampled_from(
        [(kind, name, value) for name, pool in pools.items() for value in pool for kind in _KINDS]
    )


_TEMPTING: list[_Change] = [
    ("set", "payTo", str(STRANGER)),
    ("after", "payTo", str(OWNER)),
    ("set", "asset", _ACCOUNTS[-1]),
    ("set", "network", "eip155:8453"),
    ("set", "scheme", "exact"),
    ("set", "amount", str(CAP + 1)),
    ("after", "amount", str(1000 * CAP)),
    ("set", "maxTimeoutSeconds", 301),
    ("set", "maxTimeoutSeconds", 31_536_000),
    ("set", "maxTimeoutSeconds", 0),
]
"""What could be signed if the rules had a hole: one change, and all else as it should be."""


def _drawn_changes() -> st.SearchStrategy[_Change]:
    amounts = st.tuples(st.just("set"), st.just("amount"), _other_numbers(CAP))
    payees = st.tuples(st.just("set"), st.just("payTo"), _one_digit_off(str(PAYEE)))
    return amounts | payees


def _changed(members: Members, changes: list[_Change]) -> Members:
    result = list(members)
    for kind, name, value in changes:
        match kind:
            case "set":
                result = [(n, value if n == name else v) for n, v in result]
            case "drop":
                result = [member for member in result if member[0] != name]
            case "before":
                result = [(name, value), *result]
            case _:
                result = [*result, (name, value)]
    return result


def _offer(changes: list[_Change], of_extra: list[_Change]) -> Members:
    offer = _changed(VALID_OFFER, changes)
    extra = _changed(VALID_EXTRA, of_extra)
    return [(name, extra if value is VALID_EXTRA else value) for name, value in offer]


_OFFERS = st.builds(
    _offer,
    st.lists(st.sampled_from(_TEMPTING) | _changes(VALID_OFFER) | _drawn_changes(), max_size=2),
    st.lists(_changes(VALID_EXTRA), max_size=1),
)


def _challenge(changes: list[_Change], offers: list[Members]) -> str:
    return written([*_changed(VALID_TOP, changes), ("accepts", _List(offers))])


CHALLENGES: st.SearchStrategy[str] = st.builds(
    _challenge,
    st.just([]) | st.just([]) | st.lists(_changes(VALID_TOP), max_size=1),
    st.lists(_OFFERS, min_size=1, max_size=3),
)
"""The JSON text of challenges with one to three offers near the valid one."""


class _List(list[Any]):
    """A JSON list of objects, where a plain list of pairs would be an object."""


def written(value: Any) -> str:
    """Return JSON text; a list of pairs is an object, in which a name may stand twice."""
    if isinstance(value, _List):
        return "[" + ",".join(written(item) for item in value) + "]"
    if _is_object(value):
        return "{" + ",".join(f"{json.dumps(n)}:{written(v)}" for n, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item) for item in value) + "]"
    return json.dumps(value)


def _is_object(value: Any) -> bool:
    pairs: Sequence[Any] = value if isinstance(value, list) else ()
    return bool(pairs) and all(isinstance(pair, tuple) for pair in pairs)


def header(text: str) -> dict[str, str]:
    """The headers of a 402 answer with this challenge."""
    return {"PAYMENT-REQUIRED": base64.b64encode(text.encode()).decode()}
