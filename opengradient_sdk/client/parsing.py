"""Answers as pydantic objects; pydantic is loaded when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..errors import ConfigurationError, ResponseFormatError
from .reply import Reply

if TYPE_CHECKING:
    import pydantic

    M = TypeVar("M", bound=pydantic.BaseModel)
else:
    M = TypeVar("M")


def response_format_for(response_model: object) -> dict[str, object]:
    """Return the ``response_format`` that asks for objects of a pydantic class.

    Raises:
        ConfigurationError: Not a pydantic class.
    """
    import pydantic

    if not (isinstance(response_model, type) and issubclass(response_model, pydantic.BaseModel)):
        raise ConfigurationError(
            f"response_model is {response_model!r}",
            hint="Pass a class derived from pydantic.BaseModel.",
        )
    schema = response_model.model_json_schema()
    return {
        "type": "json_schema",
        "json_schema": {"name": response_model.__name__, "schema": schema},
    }


def parse_as(response_model: type[M], reply: Reply) -> M:
    """Return the answer's text as an object.

    Raises:
        ResponseFormatError: It does not fit.
    """
    import pydantic

    try:
        return response_model.model_validate_json(reply.text)
    except pydantic.ValidationError as error:
        raise ResponseFormatError(
            f"the answer is not a {response_model.__name__}: {error.error_count()} error(s)",
            text=reply.text,
            receipt_id=reply.receipt.id,
            amount=reply.receipt.cost,
            hint="The answer is in error.text; ask again, or loosen the class.",
        ) from error
