"""What is fuzzed: one function per kind of input, which raises when a promise is broken.

A target takes any bytes. It lets pass what the functions under it document, and nothing else. The
same functions run under the fuzzer and, with the kept corpus, in every run of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ..structure import Form, base64_of_json, events_of_json, plain_json
from . import answer, challenge, header, node, seeds, stream


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of input.

    ``run`` checks one input; ``seeds`` are real examples of it; ``form`` says how a structure-aware
    mutation takes it apart.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    form: Form


TARGETS: Final[Mapping[str, Target]] = {
    "challenge": Target(challenge.run, seeds.challenges, plain_json),
    "header": Target(header.run, seeds.headers, base64_of_json),
    "stream": Target(stream.run, seeds.streams, events_of_json),
    "answer": Target(answer.run, seeds.answers, plain_json),
    "node": Target(node.run, seeds.node_answers, plain_json),
}
