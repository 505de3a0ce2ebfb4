"""A node for tests: makes honest answers, and spoils them in one place."""

from __future__ import annotations

import binascii
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from opengradient_sdk.types import keccak256
from opengradient_sdk.verification import (
    Mode,
    answer_statement,
    canonical_chat_request,
    read_chat_answer,
)

from .conftest import VECTORS, NodeKey, load, pem_to_der

NOW = 1_784_203_200
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
BODY: dict[str, Any] = {
    "model": "openai/gpt-5",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ],
    "temperature": 0.5,
    "max_tokens": 64,
    "stop": ["END"],
    "tools": [TOOL],
    "response_format": {"type": "json_object"},
    "web_search": True,
}


@dataclass(frozen=True)
class Exchange:
    """A request, its answer, and when the answer came."""

    body: dict[str, Any]
    answer: Any
    now: float = NOW


Spoil = Callable[[Exchange], Exchange]


@cache
def key(name: str) -> NodeKey:
    pair = load(VECTORS / "response_verify.json")["keys"][name]
    return NodeKey(pem_to_der(pair["public_key_pem"]), pair["private_key_pem"].encode())


@cache
def private(name: str) -> Any:
    return load_pem_private_key(key(name).private_pem, password=None)


def call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def answered(message: dict[str, Any], finish_reason: str, output_text: str) -> dict[str, Any]:
    request_hash = keccak256(canonical_chat_request(BODY, Mode.JULY).encode())
    output_hash = keccak256(output_text.encode())
    signature = key("key1").sign(answer_statement(request_hash, output_hash, NOW))
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "tee_id": key("key1").tee_id.hex(),
        "tee_request_hash": request_hash.hex(),
        "tee_output_hash": output_hash.hex(),
        "tee_timestamp": NOW,
        "tee_signature": base64(signature),
    }


def base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode()


@cache
def honest_text() -> dict[str, Any]:
    return answered({"role": "assistant", "content": "Hello there!"}, "stop", "Hello there!")


@cache
def honest_calls() -> dict[str, Any]:
    calls = [call("c1", "look", '{"at": 1}'), call("c2", "look", '{"at": 2}')]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    return answered(message, "tool_calls", read_chat_answer(answer).signed_text)


def text() -> Exchange:
    return Exchange(copy.deepcopy(BODY), copy.deepcopy(honest_text()))


def calls() -> Exchange:
    return Exchange(copy.deepcopy(BODY), copy.deepcopy(honest_calls()))


def member(name: str, value: Any) -> Spoil:
    return lambda exchange: replace(exchange, answer=exchange.answer | {name: value})


def without(name: str) -> Spoil:
    return lambda exchange: replace(
        exchange, answer={key: value for key, value in exchange.answer.items() if key != name}
    )


def choice(**changes: Any) -> Spoil:
    def spoil(exchange: Exchange) -> Exchange:
        exchange.answer["choices"][0] |= changes
        return exchange

    return spoil


def message(**changes: Any) -> Spoil:
    def spoil(exchange: Exchange) -> Exchange:
        exchange.answer["choices"][0]["message"] |= changes
        return exchange

    return spoil


def asked(**changes: Any) -> Spoil:
    return lambda exchange: replace(exchange, body=exchange.body | changes)


def asked_without(name: str) -> Spoil:
    return lambda exchange: replace(
        exchange, body={key: value for key, value in exchange.body.items() if key != name}
    )


def said(index: int, **changes: Any) -> Spoil:
    """Another message of the question."""

    def spoil(exchange: Exchange) -> Exchange:
        exchange.body["messages"][index] |= changes
        return exchange

    return spoil


def tool_call(index: int, **function: Any) -> Spoil:
    def spoil(exchange: Exchange) -> Exchange:
        exchange.answer["choices"][0]["message"]["tool_calls"][index]["function"] |= function
        return exchange

    return spoil


def signature(change: Callable[[str], str]) -> Spoil:
    return lambda exchange: member("tee_signature", change(exchange.answer["tee_signature"]))(
        exchange
    )


def resized(by: int) -> Spoil:
    """A signature with so many bytes more, or fewer."""

    def resize(encoded: str) -> str:
        raw = binascii.a2b_base64(encoded)
        return base64(raw[:by] if by < 0 else raw + bytes(by))

    return signature(resize)


def flipped(position: int) -> Spoil:
    """A signature with one bit of one byte the other way."""

    def flip(encoded: str) -> str:
        raw = bytearray(binascii.a2b_base64(encoded))
        raw[position] ^= 1
        return base64(bytes(raw))

    return signature(flip)


def with_spare_bits(encoded: str) -> str:
    """The same signature, in a spelling that lenient decoders read alike."""
    assert encoded.endswith("==")
    return encoded[:-3] + chr(ord(encoded[-3]) + 1) + "=="


def statement(answer: dict[str, Any]) -> bytes:
    hashes = (bytes.fromhex(answer[f"tee_{which}_hash"]) for which in ("request", "output"))
    return answer_statement(*hashes, timestamp=answer["tee_timestamp"])


def signed_with(scheme: Any, digest: Any, by: str = "key1") -> Spoil:
    """Sign the right statement in another way."""

    def spoil(exchange: Exchange) -> Exchange:
        raw = private(by).sign(statement(exchange.answer), scheme, digest)
        return member("tee_signature", base64(raw))(exchange)

    return spoil


def pss(salt: int, mask: Any = None) -> PSS:
    return PSS(mgf=MGF1(mask or SHA256()), salt_length=salt)


def signed_over(of: Callable[[dict[str, Any]], bytes]) -> Spoil:
    """Sign another statement in the right way."""

    def spoil(exchange: Exchange) -> Exchange:
        return member("tee_signature", base64(key("key1").sign(of(exchange.answer))))(exchange)

    return spoil


def hashes_swapped(answer: dict[str, Any]) -> bytes:
    return statement(
        answer
        | {
            "tee_request_hash": answer["tee_output_hash"],
            "tee_output_hash": answer["tee_request_hash"],
        }
    )


def dated(timestamp: int) -> Spoil:
    """Honestly signed, at another time."""

    def spoil(exchange: Exchange) -> Exchange:
        answer = exchange.answer | {"tee_timestamp": timestamp}
        return member("tee_signature", base64(key("key1").sign(statement(answer))))(
            replace(exchange, answer=answer)
        )

    return spoil


def arrived(now: float) -> Spoil:
    return lambda exchange: replace(exchange, now=now)


def by_the_other_node(exchange: Exchange) -> Exchange:
    return member("tee_id", key("key2").tee_id.hex())(
        signed_with(pss(32), SHA256(), by="key2")(exchange)
    )


def upper(name: str) -> Spoil:
    return lambda exchange: member(name, exchange.answer[name].upper())(exchange)


def two_choices(exchange: Exchange) -> Exchange:
    return member("choices", exchange.answer["choices"] * 2)(exchange)


def calls_reversed(exchange: Exchange) -> Exchange:
    exchange.answer["choices"][0]["message"]["tool_calls"].reverse()
    return exchange


def turned_round(exchange: Exchange) -> Exchange:
    return asked(messages=exchange.body["messages"][::-1])(exchange)
