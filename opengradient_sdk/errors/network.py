"""Between this process and the nodes or their registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import OpenGradientError

if TYPE_CHECKING:
    from collections.abc import Mapping


class NetworkError(OpenGradientError):
    """Something between this process and a node, or the registry of nodes, went wrong."""

    retryable = True


class TransportError(NetworkError):
    """An HTTP exchange failed below HTTP.

    Attributes:
        sent: Whether any part of the request may have reached the other side. ``False`` makes a
            retry free of risk.
    """

    def __init__(self, short_message: str, *, sent: bool, hint: str = "") -> None:
        super().__init__(short_message, hint=hint)
        self.sent = sent


class RegistryUnavailableError(NetworkError):
    """The on-chain registry could not be read; which nodes exist is not known."""


class RegistryEmptyError(NetworkError):
    """The registry was read and lists no active node."""


class NoNodeAvailableError(NetworkError):
    """No listed node could be used for this call."""


class NodeTimeoutError(NetworkError):
    """A node did not answer in time."""


class NodeProtocolError(NetworkError):
    """A node answered with something that is not the protocol."""


class PinMismatchError(NetworkError):
    """The TLS certificate is not the one in the registry. Nothing was sent."""

    retryable = False


class RedirectError(NetworkError):
    """A server answered with a redirect; it was not followed."""

    retryable = False


class APIStatusError(OpenGradientError):
    """A node answered a request with an error status. The node software does not bill these.

    Attributes:
        status_code: The HTTP status.
        body: The decoded JSON body, or its text.
    """

    def __init__(
        self, short_message: str, *, status_code: int, body: object, hint: str = ""
    ) -> None:
        super().__init__(short_message, hint=hint)
        self.status_code = status_code
        self.body = body

    @staticmethod
    def for_status(status: int) -> type[APIStatusError]:
        """Return the class for an HTTP status."""
        if status >= 500:
            return ServerError
        return _BY_STATUS.get(status, APIStatusError)


class BadRequestError(APIStatusError):
    """400, 405, 413, 415 or 422: the node refuses the request as it is."""


class AuthenticationError(APIStatusError):
    """401 or 403."""


class NotFoundError(APIStatusError):
    """404: no such route on this node."""


class RateLimitedError(APIStatusError):
    """429: too many requests."""

    retryable = True


class ServerError(APIStatusError):
    """5xx: the node or its provider failed."""

    retryable = True


_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    405: BadRequestError,
    413: BadRequestError,
    415: BadRequestError,
    422: BadRequestError,
    429: RateLimitedError,
}
