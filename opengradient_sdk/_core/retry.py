"""Retries with growing, jittered waits (tenacity inside, loaded at the first failure)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def retry(
    operation: Callable[[], Awaitable[T]],
    *,
    attempts: int,
    retry_on: Callable[[BaseException], bool | float],
    base: float = 0.1,
    cap: float = 5.0,
) -> T:
    """Return what ``operation`` returns, trying at most ``attempts`` times.

    ``retry_on`` says of an error whether another try may help; a number is the wait in seconds
    that the server asked for. Waits grow from ``base`` to ``cap`` seconds with full jitter. The
    last error surfaces unchanged; cancellation is never retried.

    **Money**: the caller decides what may be repeated; this function knows nothing of payments.
    """
    try:
        return await operation()
    except Exception as error:  # whichever it is, `retry_on` decides
        if attempts <= 1 or retry_on(error) is False:
            raise
        first = error
    import tenacity

    def wait(state: tenacity.RetryCallState) -> float:
        outcome = state.outcome
        error = outcome.exception() if outcome is not None else None
        asked = retry_on(error) if error is not None else False
        if not isinstance(asked, bool):
            return min(float(asked), cap)
        return float(tenacity.wait_random_exponential(multiplier=base, max=cap)(state))

    done_first = False

    async def next_try() -> T:
        nonlocal done_first
        if not done_first:  # tenacity owns the waiting; the first try has already failed
            done_first = True
            raise first
        return await operation()

    retrying = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(attempts),
        wait=wait,
        retry=tenacity.retry_if_exception(lambda e: retry_on(e) is not False),
        reraise=True,
    )
    return await retrying(next_try)
