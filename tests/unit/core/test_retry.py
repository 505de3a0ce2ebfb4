import pytest

from opengradient_sdk._core.retry import retry


class Flaky:
    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    async def __call__(self) -> object:
        outcome = self.outcomes[self.calls]
        self.calls += 1
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


async def test_tries_again_until_it_works() -> None:
    flaky = Flaky(OSError("1"), OSError("2"), "done")
    assert await retry(flaky, attempts=5, retry_on=lambda e: True, base=0.001) == "done"
    assert flaky.calls == 3


async def test_the_last_error_surfaces_unchanged() -> None:
    flaky = Flaky(OSError("1"), OSError("2"), "never")
    with pytest.raises(OSError, match="2"):
        await retry(flaky, attempts=2, retry_on=lambda e: True, base=0.001)
    assert flaky.calls == 2


async def test_what_must_not_be_repeated_is_not() -> None:
    flaky = Flaky(ValueError("paid"), "never")
    with pytest.raises(ValueError, match="paid"):
        await retry(flaky, attempts=5, retry_on=lambda e: isinstance(e, OSError))
    assert flaky.calls == 1


async def test_an_error_of_another_kind_ends_the_retries() -> None:
    flaky = Flaky(OSError("1"), ValueError("2"), "never")
    with pytest.raises(ValueError, match="2"):
        await retry(flaky, attempts=5, retry_on=lambda e: isinstance(e, OSError), base=0.001)
    assert flaky.calls == 2


async def test_a_wait_the_server_asked_for_is_capped() -> None:
    flaky = Flaky(OSError("later"), "done")
    assert await retry(flaky, attempts=2, retry_on=lambda e: 3600.0, cap=0.001) == "done"
