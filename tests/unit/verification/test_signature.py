"""Loading a key before the first answer needs it."""

import subprocess
import sys

import pytest

from opengradient_sdk.errors import SignatureError
from opengradient_sdk.verification import signature


def test_preparing_loads_everything_that_verifying_needs() -> None:
    script = (
        "import sys\n"
        "from opengradient_sdk.verification import signature\n"
        "assert 'cryptography' not in sys.modules\n"
        "signature.prepare(b'not a key')\n"
        "print('cryptography.hazmat.primitives.asymmetric.padding' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_key_that_cannot_be_used_is_reported_by_the_verification() -> None:
    signature.prepare(b"not a key")
    with pytest.raises(SignatureError):
        signature.verify_rsa_pss(b"not a key", bytes(32), bytes(256))
