"""HTTP answers in the shapes of the node software: JSON, problem documents and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from .shapes import JsonObject

SESSION_HEADER: Final = "X-Upto-Session"
_JSON: Final = "application/json"
_PROBLEM_JSON: Final = "application/problem+json"


class Refusal(Exception):  # noqa: N818 - not a failure of the node: an answer that ends the request early
    """A request that is answered without doing its work.

    ``text`` is sent as it stands; ``headers`` go with it.
    """

    def __init__(
        self,
        status: int,
        text: str,
        *,
        content_type: str = _JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {text[:200]}")
        self.status = status
        self.text = text
        self.content_type = content_type
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """Return the answer as aiohttp sends it."""
        return web.Response(
            status=self.status,
            text=self.text,
            content_type=self.content_type,
            headers=self.headers,
        )


def compact(body: JsonObject) -> str:
    """Return the text of a body as the gates of the node write it: sorted, one line."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")) + "\n"


def pretty(body: JsonObject) -> str:
    """Return the text of a body as the handlers of the node write it: sorted, indented."""
    return json.dumps(body, sort_keys=True, indent=2) + "\n"


def error(status: int, message: str) -> Refusal:
    """Return a refusal by a gate: ``{"error": message}`` on one line."""
    return Refusal(status, compact({"error": message}))


def failure(message: str) -> Refusal:
    """Return the refusal of a handler that failed: status 500, ``{"error": message}`` indented."""
    return Refusal(500, pretty({"error": message}))


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> Refusal:
    """Return a refusal as a problem document (RFC 9457)."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "status": status,
    }
    return Refusal(status, pretty(document), content_type=_PROBLEM_JSON, headers=headers)


def internal_error() -> Refusal:
    """Return the problem document of an unexpected failure."""
    return problem(
        500,
        "The server encountered an internal error and was unable to complete your request. "
        "Either the server is overloaded or there is an error in the application.",
    )


def not_found(session_id: str | None = None) -> Refusal:
    """Return the problem document of an unknown path, with the session if it was paid for."""
    return problem(
        404,
        "The requested URL was not found on the server. "
        "If you entered the URL manually please check your spelling and try again.",
        headers=None if session_id is None else {SESSION_HEADER: session_id},
    )


def method_not_allowed(allow: str) -> Refusal:
    """Return the problem document of a method that the path does not have."""
    return problem(
        405, "The method is not allowed for the requested URL.", headers={"Allow": allow}
    )


def json_response(body: JsonObject, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a 200 with the body on one line."""
    return web.Response(text=compact(body), content_type=_JSON, headers=headers)


def pretty_response(body: JsonObject, *, headers: Mapping[str, str]) -> web.Response:
    """Return a 200 with the body indented, as inference answers are."""
    return web.Response(text=pretty(body), content_type=_JSON, headers=headers)


def hang_up(request: web.BaseRequest) -> web.Response:
    """Close a request's connection; the response that is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
