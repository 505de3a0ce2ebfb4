"""Every error that can be raised is explained under the address that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opengradient_sdk import errors
from opengradient_sdk.errors import OpenGradientError

_PAGE = Path(__file__).parents[3] / "docs" / "errors.md"
_SECTION = re.compile(r"^### (\w+)\n(.*?)(?=^#{2,3} |\Z)", re.MULTILINE | re.DOTALL)
_CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, OpenGradientError)
]


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The explanations by their headings."""
    return dict(_SECTION.findall(_PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", _CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_has_an_explanation_where_it_says(
    sections: dict[str, str], kind: type[OpenGradientError]
) -> None:
    page, anchor = kind.docs_url.fget(kind.__new__(kind)).split("#")  # type: ignore[attr-defined]

    assert _PAGE.as_posix().endswith(page)
    assert anchor == kind.__name__.lower()
    explained = sections[kind.__name__]
    assert re.search(r"^\*\*Spent:\*\* \S", explained, re.MULTILINE), "what it may have cost"
    assert re.search(r"^\*\*Do:\*\* \S", explained, re.MULTILINE), "what to do"


def test_nothing_is_explained_that_does_not_exist(sections: dict[str, str]) -> None:
    assert set(sections) == {kind.__name__ for kind in _CLASSES}


@pytest.mark.parametrize("kind", _CLASSES, ids=lambda kind: kind.__name__)
def test_what_is_said_about_trying_again_is_what_the_class_says(
    sections: dict[str, str], kind: type[OpenGradientError]
) -> None:
    assert ("*Retryable.*" in sections[kind.__name__]) is kind.retryable
