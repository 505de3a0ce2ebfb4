"""Whatever a stranger sends, the process goes on."""

import sys
from collections.abc import Iterator

import pytest

from opengradient_sdk._core.json_in import parse_json


@pytest.fixture(params=[1_000, 100_000], ids=["usual limit", "raised limit"])
def recursion_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, request.param))
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("recursion_limit")
@pytest.mark.parametrize("text", [b"[" * 1_000_000, '{"a":' * 1_000_000, b'["[{",' * 1_000_000])
def test_what_is_nested_too_deep_is_refused(text: bytes | str) -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(text)


@pytest.mark.usefixtures("recursion_limit")
def test_what_is_only_long_is_read() -> None:
    item = '{"topics":["[[[[","\\"{{{{"],"data":[]}'
    assert len(parse_json(f"[{','.join([item] * 20_000)}]")) == 20_000  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"", b"\xff", '{"a":1', "nope"])
def test_what_is_no_json_is_refused(text: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
