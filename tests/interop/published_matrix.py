"""Drives the published client through the money matrix; runs in an environment of its own.

Everything is imported once. For each line on standard input (a job, as JSON) a process is forked
that connects to the job's socket, makes a client, and then answers calls on the socket, line by
line, until it is closed or the process is killed. ``BASE_MAINNET_RPC`` names the payments chain.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from typing import Any

import opengradient as og
from opengradient.client import llm as published

MODEL = og.TEE_LLM.GPT_5


def main() -> None:
    logging.disable(logging.WARNING)  # it tells of every connection that fails
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the customers
    for line in sys.stdin:
        if os.fork() == 0:
            asyncio.run(serve(json.loads(line)))
            os._exit(0)


async def serve(job: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(job["socket"])
        with line.makefile("rw") as calls:
            client = og.LLM(job["private_key"], job["registry_rpc"], job["registry"])
            tell(calls, {"pid": os.getpid()})
            while wish := await asyncio.to_thread(calls.readline):
                tell(calls, await outcome(client, json.loads(wish)))


def tell(calls: Any, what: dict[str, Any]) -> None:
    calls.write(json.dumps(what) + "\n")
    calls.flush()


async def outcome(client: og.LLM, wish: dict[str, Any]) -> dict[str, Any]:
    # its patience is no argument; the usual minute would make the matrix last for hours
    published._REQUEST_TIMEOUT = wish["timeout"]
    try:
        return {"text": await answer(client, wish)}
    except Exception as error:  # noqa: BLE001 - whatever it raises is no answer
        return {"text": None, "error": f"{type(error).__name__}: {error}"[:300]}


async def answer(client: og.LLM, wish: dict[str, Any]) -> str | None:
    messages = [{"role": "user", "content": wish["text"]}]
    if not wish["stream"]:
        whole = await client.chat(MODEL, messages, max_tokens=1000)
        return whole.chat_output["content"]
    pieces, signed = "", False
    async for chunk in await client.chat(MODEL, messages, max_tokens=1000, stream=True):
        pieces += chunk.choices[0].delta.content or ""
        signed = signed or chunk.tee_signature is not None
    return pieces if signed else None  # a caller takes a stream that broke off for no answer


if __name__ == "__main__":
    main()
