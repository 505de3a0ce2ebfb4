"""JSON-RPC to a program that holds keys: its dialects, its refusals, and nothing secret in errors.

Three kinds of programs are spoken to. Nodes and Web3Signer have ``eth_`` methods, Clef the same as
``account_`` methods. Web3Signer hands what it does not know on to a node, so that the node, or its
absence, answers for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from .._core.http import HttpClient, HttpResponse
from .._core.json_in import parse_json
from .._core.urls import ServerUrl
from ..errors import (
    ConfigurationError,
    NetworkError,
    NodeTimeoutError,
    SignerError,
    SigningRejectedError,
)
from ..types import Address

Call = tuple[str, Sequence[object]]
"""A method and its parameters."""

_NO_METHOD: Final = (-32601, -32604)
_REFUSED_BY_OWNER: Final = (4001, 5000)
_NO_METHOD_TEXT: Final = re.compile(
    r"method not (found|enabled)|method \S+ does not exist|downstream node", re.IGNORECASE
)
_REFUSED_TEXT: Final = re.compile(
    r"\b(denied|rejected|declined|disapproved)\b|validation failed", re.IGNORECASE
)
_NO_KEY_TEXT: Final = re.compile(
    r"\b(un)?locked|unlock\b|no signer|unknown account|account not found|no key|"
    r"authentication needed|decrypt",
    re.IGNORECASE,
)
_LONGEST_TEXT: Final = 200
_SHORTEST_SECRET: Final = 6


class _UnknownMethodError(Exception):
    """The program does not have this method; it may have it under another name."""


class SignerRpc:
    """The JSON-RPC interface of a program that holds ``address``'s key.

    ``headers`` are sent with every request and shown nowhere, as are credentials in ``url``.
    ``timeout`` is in seconds, for each exchange.

    Raises:
        ConfigurationError: ``url`` is no http(s) URL.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None, timeout: float) -> None:
        try:
            self._server = ServerUrl.parse(url)
        except ValueError:
            raise ConfigurationError(
                "the address of a remote signer is not an http(s) URL",
                hint="It looks like https://host:9000; Clef needs --http.",
            ) from None
        self.name = self._server.name
        self._timeout = timeout
        secret = dict(headers or {})
        if self._server.authorization:
            secret.setdefault("Authorization", self._server.authorization)
        self._secrets = _secrets(self._server.address, secret.values())
        self._headers = {"Content-Type": "application/json", **secret}
        self._http = HttpClient()
        self._known: set[str] = set()

    async def aclose(self) -> None:
        """Close the connections, for good."""
        await self._http.aclose()

    async def ask(self, spellings: Sequence[Call], signer: Address | None = None) -> object:
        """Return the result of the first of ``spellings`` whose method the program has.

        Raises:
            SigningRejectedError: Its owner or its rules refused.
            SignerError: It cannot be reached, has none of the methods, or not ``signer``'s key.
        """
        for method, params in sorted(spellings, key=lambda call: call[0] not in self._known):
            try:
                result = await self._call(method, params, signer)
            except _UnknownMethodError:
                continue
            self._known.add(method)
            return result
        tried = ", ".join(method for method, _ in spellings)
        raise SignerError(
            f"{self.name} has none of the methods {tried}",
            hint="Is this the address of a signer? Nodes of RPC providers hold no keys.",
        )

    async def _call(self, method: str, params: Sequence[object], signer: Address | None) -> object:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        response = await self._post(json.dumps(request).encode())
        answer = self._parsed(response)
        if (error := answer.get("error")) is not None:
            raise self._explained(error, signer)
        if response.status >= 400 or "result" not in answer:
            raise self._unusable(response)
        return answer["result"]

    async def _post(self, body: bytes) -> HttpResponse:
        try:
            return await self._http.request(
                "POST",
                self._server.address,
                headers=self._headers,
                body=body,
                timeout=self._timeout,
            )
        # "from None", because the errors underneath repeat the URL
        except NodeTimeoutError:
            raise SignerError(
                f"{self.name} did not answer within {self._timeout:g} s",
                hint="Nothing was sent on. Where a person approves it, pass a longer timeout=.",
            ) from None
        except NetworkError as error:
            raise SignerError(
                f"{self.name} cannot be reached: {self._shown(error.short_message)}",
                hint="Nothing was signed that is in use. Is the signer running? Try again.",
            ) from None

    def _parsed(self, response: HttpResponse) -> Mapping[str, object]:
        # Web3Signer answers with a JSON-RPC error and an HTTP error status
        try:
            answer = parse_json(response.body)
        except ValueError:
            raise self._unusable(response) from None
        if not isinstance(answer, Mapping):
            raise self._unusable(response)
        return cast("Mapping[str, object]", answer)

    def _unusable(self, response: HttpResponse) -> SignerError:
        if response.status in (401, 403):
            return SignerError(
                f"{self.name} refuses the connection (HTTP {response.status})",
                hint="Pass its credentials: headers={'Authorization': …}, or user:password in url.",
            )
        what = "no JSON-RPC answer" if response.status < 400 else f"HTTP {response.status}"
        return SignerError(
            f"{self.name} answered with {what}", hint="Is this the address of a signer?"
        )

    def _explained(self, error: object, signer: Address | None) -> Exception:
        code, text = None, str(error)
        if isinstance(error, Mapping):
            members = cast("Mapping[str, object]", error)
            code, text = members.get("code"), str(members.get("message", ""))
        if code in _REFUSED_BY_OWNER or _REFUSED_TEXT.search(text):
            return SigningRejectedError(
                f"{self.name} refused to sign: {self._shown(text)}",
                hint="Its owner or its rules said no; nothing was signed.",
            )
        if code in _NO_METHOD or _NO_METHOD_TEXT.search(text):
            return _UnknownMethodError(text)
        hint = ""
        if signer is not None and _NO_KEY_TEXT.search(text):
            hint = f"It holds no unlocked key of {signer}: unlock it, or check the address."
        return SignerError(f"{self.name} could not sign: {self._shown(text)}", hint=hint)

    def _shown(self, text: str) -> str:
        """Return the start of a foreign text, with every secret that it repeats taken out."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _secrets(address: str, headers: Iterable[str]) -> list[str]:
    """Return what no error may repeat, longest first: headers, and the URL behind its host.

    A header's last word is listed for itself: "Bearer" and "Basic" are no secrets.
    """
    found = {"/" + address.partition("://")[2].partition("/")[2]}
    for value in headers:
        found |= {value, value.rpartition(" ")[2]}
    return sorted((text for text in found if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)
