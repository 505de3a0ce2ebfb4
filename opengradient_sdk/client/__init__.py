"""The client: calls that pay for themselves and prove their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .async_client import AsyncOpenGradient
    from .config import ClientConfig, Trust
    from .reply import ParsedReply, Reply, Usage
    from .stream import ChatStream
    from .sync_client import OpenGradient

__all__ = [
    "AsyncOpenGradient",
    "ChatStream",
    "ClientConfig",
    "OpenGradient",
    "ParsedReply",
    "Reply",
    "Trust",
    "Usage",
]

__getattr__ = lazy_names(
    __name__,
    {
        "async_client": "AsyncOpenGradient",
        "stream": "ChatStream",
        "config": "ClientConfig Trust",
        "sync_client": "OpenGradient",
        "reply": "ParsedReply Reply Usage",
    },
)
