"""Drives the published client ``opengradient``; runs in an environment of its own.

Reads where the network is from standard input, as JSON, and writes what the client said to
standard output. ``BASE_MAINNET_RPC`` has to name the payments chain before the client is imported.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import opengradient as og
from opengradient.client.tee_registry import TEE_TYPE_LLM_PROXY
from opengradient.client.tee_verify import pem_from_der, response_content_for_hash

MODEL = og.TEE_LLM.GPT_5
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
# what the client's own relay would send: text, parts that are not text, and a tool
REQUESTS: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": "Grüße, \u007f 🚀"}], "stop": ["never"]},
    "developer": {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "hello", "name": "dropped"},
        ],
        "temperature": 1,
    },
    "parts": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ],
            }
        ]
    },
    "tool": {
        "messages": [{"role": "user", "content": "use tool"}],
        "tools": [TOOL],
        "tool_choice": "auto",
    },
    "web_search": {"messages": [{"role": "user", "content": "news"}], "web_search": True},
}


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def main() -> None:
    given = json.loads(sys.stdin.readline())
    llm = og.LLM(given["private_key"], given["registry_rpc"], given["registry"])
    told: dict[str, Any] = {
        "registry": registry(given),
        "approvals": [approval(llm) for _ in range(2)],
    }
    told |= asyncio.run(calls(llm, given))
    print(json.dumps(told))


def registry(given: dict[str, Any]) -> list[dict[str, Any]]:
    records = og.TEERegistry(given["registry_rpc"], given["registry"])
    return [
        {
            "tee_id": tee.tee_id,
            "endpoint": tee.endpoint,
            "payment_address": tee.payment_address,
            "certificate": tee.tls_cert_der.hex(),
            "signing_key": tee.signing_public_key_der.hex(),
            "pcr_hash": tee.pcr_hash,
        }
        for tee in records.get_active_tees_by_type(TEE_TYPE_LLM_PROXY)
    ]


def approval(llm: og.LLM) -> dict[str, Any]:
    result = llm.ensure_opg_approval(min_allowance=1, approve_amount=5)
    return {
        "before": result.allowance_before,
        "after": result.allowance_after,
        "transaction": result.tx_hash,
    }


async def calls(llm: og.LLM, given: dict[str, Any]) -> dict[str, Any]:
    try:
        return {
            "chat": [await chat(llm, f"hello {index}") for index in range(2)],
            "tool_call": await chat(llm, "use tool", tools=[TOOL]),
            "tool_answer": await chat_messages(llm, tool_answer()),
            "json": await chat(llm, "hi", response_format=og.ResponseFormat(type="json_object")),
            "stream": await stream(llm, "stream this please"),
            "stream_with_tools": await stream(llm, "use tool", tools=[TOOL]),
            "completion": await completion(llm),
            "errors": {
                "unknown model": await error_of(llm.chat("openai/no-such-model", user("hi"))),
                "failing provider": await error_of(llm.chat(MODEL, user("please fail"))),
            },
            "verified": {name: await verified(llm, given, name) for name in REQUESTS},
            "verified_stream": await verified_stream(llm, given),
            "forgery": await forgery(llm, given),
        }
    finally:
        await llm.close()


async def chat(llm: og.LLM, text: str, **options: Any) -> dict[str, Any]:
    return await chat_messages(llm, user(text), **options)


async def chat_messages(llm: og.LLM, messages: list[Any], **options: Any) -> dict[str, Any]:
    answer = await llm.chat(MODEL, messages, **options)
    return {
        "message": answer.chat_output,
        "finish_reason": answer.finish_reason,
        "usage": answer.usage,
        "tee_id": answer.tee_id,
        "payment_address": answer.tee_payment_address,
        "timestamp": answer.tee_timestamp,
        "signature": answer.tee_signature,
    }


def tool_answer() -> list[dict[str, Any]]:
    function = {"name": "get_weather", "arguments": '{"city": "Ulm"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    return [
        *user("use tool"),
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]


async def stream(llm: og.LLM, text: str, **options: Any) -> dict[str, Any]:
    chunks = [c async for c in await llm.chat(MODEL, user(text), stream=True, **options)]
    last = chunks[-1]
    return {
        "pieces": [c.choices[0].delta.content for c in chunks],
        "tool_calls": last.choices[0].delta.tool_calls,
        "finish_reason": last.choices[0].finish_reason,
        "is_final": [c.is_final for c in chunks],
        "total_tokens": last.usage.total_tokens if last.usage else None,
        "signature": last.tee_signature,
    }


async def completion(llm: og.LLM) -> dict[str, Any]:
    answer = await llm.completion(MODEL, "Once upon a time", max_tokens=20)
    return {"text": answer.completion_output, "signature": answer.tee_signature}


async def error_of(call: Any) -> str:
    try:
        await call
    except RuntimeError as error:
        return str(error)
    return "none"


async def verified(llm: og.LLM, given: dict[str, Any], name: str) -> dict[str, Any]:
    """Send a request as the client's relay does and check the answer with its own verifier."""
    wire, canonical = og.build_inner_request({"model": "gpt-5", "max_tokens": 60, **REQUESTS[name]})
    body = await post(llm, wire)
    return proof(llm, given, canonical, body, response_content_for_hash(body))


async def post(llm: og.LLM, wire: dict[str, Any]) -> dict[str, Any]:
    tee = llm.resolve_tee_connection()
    answer = await tee.http_client.post(
        f"{tee.endpoint}/v1/chat/completions",
        json=wire,
        headers={"Authorization": "Bearer any", "X-SETTLEMENT-TYPE": "batch"},
    )
    answer.raise_for_status()
    return answer.json()


def proof(
    llm: og.LLM, given: dict[str, Any], canonical: dict[str, Any], body: Any, content: str
) -> dict[str, Any]:
    tee = llm.resolve_tee_connection()
    [key] = [record["signing_key"] for record in registry(given) if record["tee_id"] == tee.tee_id]
    found = og.verify_response(
        canonical_request=canonical,
        response_body=body,
        response_content=content,
        signing_key_pem=pem_from_der(bytes.fromhex(key)),
        expected_tee_id=tee.tee_id,
    )
    return {"tee_id": found.tee_id, "timestamp": found.timestamp, "content": content}


async def verified_stream(llm: og.LLM, given: dict[str, Any]) -> dict[str, Any]:
    """Check a streamed answer: the text pieced together, the signature of the final frame."""
    wire, canonical = og.build_inner_request({"model": "gpt-5", "messages": user("one two three")})
    tee = llm.resolve_tee_connection()
    text, final = "", {}
    async with tee.http_client.stream(
        "POST",
        f"{tee.endpoint}/v1/chat/completions",
        json={**wire, "stream": True},
        headers={"Authorization": "Bearer any"},
    ) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                frame = json.loads(line.removeprefix("data: "))
                text += frame["choices"][0]["delta"].get("content") or ""
                final = frame
    return proof(llm, given, canonical, final, text)


async def forgery(llm: og.LLM, given: dict[str, Any]) -> str:
    """Say why the client's verifier refuses a changed answer."""
    wire, canonical = og.build_inner_request({"model": "gpt-5", "messages": user("hi")})
    body = await post(llm, wire)
    try:
        proof(llm, given, canonical, body, response_content_for_hash(body) + "!")
    except og.VerificationError as error:
        return str(error)
    return "none"


if __name__ == "__main__":
    main()
