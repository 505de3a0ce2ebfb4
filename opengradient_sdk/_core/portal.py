"""One background event loop for synchronous callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines on an event loop in a thread of its own.

    Usable from scripts, from notebooks and from inside a running loop (the caller's thread
    blocks; its loop is not touched). ``close`` cancels what still runs and joins the thread.
    """

    def __init__(self, name: str = "opengradient-sdk") -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Start the thread and return when its loop runs; ``False`` if it ran already."""
        if self._thread is not None:
            return False
        ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name=self._name, daemon=True
        )
        self._thread.start()
        self._loop = ready.result()
        return True

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` on the portal's loop and return its result.

        An interrupt (Ctrl-C) in the caller cancels the coroutine.

        Raises:
            RuntimeError: The portal is not running, or the call comes from the portal's own thread.
        """
        if self._loop is None:
            coroutine.close()
            raise RuntimeError(
                "the client is closed; use it inside `with OpenGradient() as client`"
            )
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError(
                "a synchronous call from the client's own event loop would never end"
            )
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupt here must not leave the coroutine running there
            raise

    def close(self) -> None:
        """Cancel what still runs, stop the loop and join the thread."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _run(self, ready: Future[asyncio.AbstractEventLoop]) -> None:
        # a Runner cancels left-over tasks and shuts generators and executors down on exit
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set_result, loop)
            loop.run_forever()
