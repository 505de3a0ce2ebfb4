"""The header form of x402 documents: base64 over JSON."""

from __future__ import annotations

import base64
import json

from opengradient_sdk.payments._wire import decode_header, decode_object, encode_header


def run(data: bytes) -> None:
    """Read ``data`` as a header, as the document in one, and as a body.

    What is read can be written, and what is written is read as the same.
    """
    # as aiohttp hands over a header's bytes
    for header in (data.decode("utf-8", "surrogateescape"), base64.b64encode(data).decode()):
        try:
            document = decode_header(header)
        except ValueError:
            continue
        _check_document(document)
    try:
        document = decode_object(data.decode("utf-8", "surrogateescape"))
    except ValueError:
        return
    _check_document(document)


def _check_document(document: dict[str, object]) -> None:
    # compared as text: 1, 1.0 and True are equal in Python and three different things in JSON
    again = decode_header(encode_header(document))
    assert json.dumps(again) == json.dumps(document), "a document changes on its way"
