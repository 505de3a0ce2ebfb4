"""JSON-RPC 2.0 over HTTP on loopback, single requests and batches."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, cast

from aiohttp import web

from .errors import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, JsonRpcError

Handler = Callable[[str, Sequence[object]], Awaitable[object]]

_LOG: Final = logging.getLogger("opengradient_sdk.devnet.rpc")
_MAX_BODY: Final = 16 * 2**20
_MAX_BATCH: Final = 1000
_SHUTDOWN_SECONDS: Final = 2.0
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
}
"""Wallets and block explorers in a browser may connect; the keys of a Devnet are no secrets."""


class RpcServer:
    """An HTTP server on a free loopback port that hands every request to ``handler``.

    While ``unavailable`` is set it answers 503, as a gateway does whose chain is gone.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.unavailable = False

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/", self._post)
        app.router.add_options("/", _preflight)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._runner = runner
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _post(self, request: web.Request) -> web.Response:
        if self.unavailable:
            return web.Response(status=503, text="the chain is unavailable", headers=_CORS)
        try:
            body = json.loads(await request.read())
        except ValueError:  # JSONDecodeError and UnicodeDecodeError alike
            return _answer(_failure(None, JsonRpcError(PARSE_ERROR, "parse error")))
        if not isinstance(body, list):
            return _answer(await self._single(body))
        batch = cast("list[object]", body)
        if not batch:
            return _answer(_failure(None, JsonRpcError(INVALID_REQUEST, "empty batch")))
        if len(batch) > _MAX_BATCH:
            return _answer(_failure(None, JsonRpcError(INVALID_REQUEST, "batch too large")))
        answers = [await self._single(entry) for entry in batch]
        return _answer([answer for answer in answers if answer is not None] or None)

    async def _single(self, entry: object) -> dict[str, object] | None:
        """Return the response to one request, or None for a notification."""
        if not isinstance(entry, Mapping):
            return _failure(None, JsonRpcError(INVALID_REQUEST, "invalid request"))
        fields = cast("Mapping[str, object]", entry)
        method, arguments = fields.get("method"), fields.get("params", [])
        if not isinstance(method, str) or not isinstance(arguments, list | None):
            error = JsonRpcError(INVALID_REQUEST, "a request has a method and a list of params")
            return _failure(fields.get("id"), error)
        try:
            result = await self._handler(method, cast("list[object]", arguments or []))
        except JsonRpcError as error:
            answer = _failure(fields.get("id"), error)
        except Exception:  # noqa: BLE001 - the boundary of a server: told to the caller and logged
            _LOG.exception("the JSON-RPC method %s failed", method)
            internal = JsonRpcError(INTERNAL_ERROR, f"internal error in {method}; see the log")
            answer = _failure(fields.get("id"), internal)
        else:
            answer = {"jsonrpc": "2.0", "id": fields.get("id"), "result": result}
        return answer if "id" in fields else None


async def _preflight(_request: web.Request) -> web.Response:
    return web.Response(status=204, headers=_CORS)


def _failure(request_id: object, error: JsonRpcError) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error.to_json()}


def _answer(body: object) -> web.Response:
    if body is None:
        return web.Response(status=204, headers=_CORS)
    return web.json_response(body, headers=_CORS)
