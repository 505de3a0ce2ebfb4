"""A paid server made of the published payment library; runs in an environment of its own.

The library's Flask middleware takes the payments, keeps the sessions and hands them in. Only what
an answer is and how an enclave signs it is written here, from the protocol notes (section 4).

The first line of standard input says where the network is, as JSON; the first line of standard
output says where this server is. After that a line ``settle 7`` on standard input waits until 7
answers in all have been billed and makes the library settle every session; a line of output says
how that ended. The end of input ends the server.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from eth_utils.crypto import keccak
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server
from x402 import AssetAmount, SessionStore, x402FacilitatorSync, x402ResourceServerSync
from x402.extensions.erc20_approval_gas_sponsoring import (
    declare_erc20_approval_gas_sponsoring_extension,
)
from x402.http import FacilitatorConfig, HTTPFacilitatorClientSync, PaymentOption, RouteConfig
from x402.http.middleware.flask import payment_middleware
from x402.mechanisms.evm.signers import FacilitatorWeb3Signer
from x402.mechanisms.evm.upto import register_upto_evm_server
from x402.mechanisms.evm.upto.facilitator import UptoEvmScheme as UptoEvmFacilitator

ROUTE = "/v1/chat/completions"
CAP = 10**17
IDLE_SECONDS = 3600
OPG_USD = Decimal("0.1")
USD_PER_TOKEN = {"prompt_tokens": Decimal("1.25e-6"), "completion_tokens": Decimal("10e-6")}


class Enclave:
    """The key that signs answers, and the certificate of the connection."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._tls_key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._self_signed()
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        der = serialization.Encoding.DER
        self.public_key = self._key.public_key().public_bytes(der, spki)
        self.certificate = self._certificate.public_bytes(der)

    def signed(self, request_hash: bytes, text: str) -> dict[str, Any]:
        output_hash, now = keccak(text=text), int(time.time())
        message = keccak(request_hash + output_hash + now.to_bytes(32, "big"))
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        return {
            "tee_signature": base64.b64encode(
                self._key.sign(message, scheme, hashes.SHA256())
            ).decode(),
            "tee_request_hash": request_hash.hex(),
            "tee_output_hash": output_hash.hex(),
            "tee_timestamp": now,
            "tee_id": "0x" + keccak(self.public_key).hex(),
        }

    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem = serialization.Encoding.PEM
        key = self._tls_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            file.write_bytes(self._certificate.public_bytes(pem) + key)
            context.load_cert_chain(file)
        return context

    def _self_signed(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "interop")])
        now = datetime.now(UTC)
        loopback = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._tls_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(loopback, critical=False)
            .sign(self._tls_key, hashes.SHA256())
        )


class Sessions(SessionStore):
    """The library's store, whose sessions are idle when the test says so, not after a wait."""

    def __init__(self) -> None:
        super().__init__()
        self.all_idle = False
        self._billed = 0
        self._billing = threading.Condition()

    def add_cost(self, session_id: str, cost: int) -> bool:
        added = super().add_cost(session_id, cost)
        with self._billing:
            self._billed += 1
            self._billing.notify_all()
        return added

    def wait_until_billed(self, answers: int) -> None:
        """The library bills an answer only after it was sent: a client can be faster."""
        with self._billing:
            if not self._billing.wait_for(lambda: self._billed >= answers, timeout=60):
                raise TimeoutError(f"{self._billed} of {answers} answers were billed")

    def get_expired_sessions(self, idle_timeout_seconds: int) -> list[Any]:
        return super().get_expired_sessions(-1 if self.all_idle else idle_timeout_seconds)


class Facilitator(FacilitatorWeb3Signer):
    """The library's signer, made to ask the contract as itself.

    As published it simulates ``settle`` without a sender, so as the zero address, and the upto
    proxy refuses everybody but the facilitator that was signed for.
    """

    def __init__(self, private_key: str, rpc_url: str) -> None:
        super().__init__(private_key, rpc_url)
        self._w3.eth.default_account = self.address


def facilitator(given: dict[str, Any]) -> Any:
    """Return the facilitator at a URL, or the library's own in this process."""
    if given["facilitator_url"]:
        return HTTPFacilitatorClientSync(FacilitatorConfig(url=given["facilitator_url"]))
    own = x402FacilitatorSync()
    signer = (Facilitator if given["asks_as_itself"] else FacilitatorWeb3Signer)(
        given["private_key"], given["rpc_url"]
    )
    # not with the library's helper: as published that imports a name which is not there
    own.register([given["network"]], UptoEvmFacilitator(signer))
    return own


def canonical_hash(body: dict[str, Any]) -> bytes:
    """Return the hash of a request, as an enclave makes it of text messages."""
    canonical = {
        "model": body["model"],
        "messages": [{"role": m["role"], "content": m["content"]} for m in body["messages"]],
        "temperature": float(body.get("temperature") or 0),
    }
    if body.get("max_tokens") is not None:
        canonical["max_tokens"] = body["max_tokens"]
    return keccak(text=json.dumps(canonical, sort_keys=True))


def tokens(body: dict[str, Any], text: str) -> dict[str, int]:
    asked = sum(len(m["content"].split()) for m in body["messages"])
    said = len(text.split())
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def cost(context: dict[str, Any]) -> int:
    """Return what an answer costs in atoms, rounded up (protocol notes, typical amounts)."""
    usage = (context["response_json"] or {}).get("usage") or {}
    usd = sum(usage.get(kind, 0) * price for kind, price in USD_PER_TOKEN.items())
    return int((usd / OPG_USD * 10**18).to_integral_value(ROUND_CEILING))


def application(enclave: Enclave) -> Flask:
    app = Flask("interop")

    @app.get("/health")
    def health() -> Response:
        return jsonify({"status": "OK", "price_feed": {"price_usd": str(OPG_USD)}})

    @app.post(ROUTE)
    def chat() -> Any:
        body = request.get_json()
        text = f"echo: {body['messages'][-1]['content']}"
        if "please fail" in text:
            return jsonify({"error": "Request processing failed"}), 500
        signed = {
            "model": body["model"],
            "usage": tokens(body, text),
            **enclave.signed(canonical_hash(body), text),
        }
        if body.get("stream"):
            return Response(frames(text, signed), mimetype="text/event-stream")
        return jsonify(whole(text, signed))

    return app


def whole(text: str, signed: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{uuid.uuid4()}",
        "object": "chat.completion",
        "created": signed["tee_timestamp"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        **signed,
    }


def frames(text: str, signed: dict[str, Any]) -> Iterator[str]:
    for word in text.split(" "):
        piece = word if word == text.split(" ")[0] else f" {word}"
        delta = {"role": "assistant", "content": piece}
        yield event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **signed})
    yield "data: [DONE]\n\n"


def event(frame: dict[str, Any]) -> str:
    return f"data: {json.dumps(frame)}\n\n"


class Shop:
    """The library's middleware before the paid route, and what it did with the sessions."""

    def __init__(self, app: Flask, given: dict[str, Any]) -> None:
        self._sessions = Sessions()
        self._settled: list[dict[str, Any]] = []
        server = x402ResourceServerSync(facilitator(given))
        register_upto_evm_server(server, given["network"])
        server.on_after_settle(self._note)
        self._middleware = payment_middleware(
            app,
            {f"POST {ROUTE}": self._route(given)},
            server,
            session_store=self._sessions,
            session_cost_calculator=cost,
            session_idle_timeout=IDLE_SECONDS,
        )

    def settle(self, answers: int) -> list[dict[str, Any]]:
        """Return the library's settlements of all sessions, once ``answers`` have been billed."""
        self._sessions.wait_until_billed(answers)
        self._settled.clear()
        self._sessions.all_idle = True
        self._middleware.shutdown()  # flushes at once what its reaper would settle in a while
        self._sessions.all_idle = False
        return list(self._settled)

    def _note(self, done: Any) -> None:
        self._settled.append(done.result.model_dump(by_alias=True))

    @staticmethod
    def _route(given: dict[str, Any]) -> RouteConfig:
        price = AssetAmount(
            amount=str(CAP),
            asset=given["opg"],
            extra={"name": "OpenGradient", "version": "1"},
        )
        offer = PaymentOption(
            scheme="upto",
            pay_to=given["pay_to"],
            price=price,
            network=given["network"],
            max_timeout_seconds=300,
        )
        # the library's own facilitator would need another signer to sponsor approvals
        sponsored = bool(given["facilitator_url"])
        return RouteConfig(
            accepts=[offer],
            description="Chat completion",
            mime_type="application/json",
            extensions=declare_erc20_approval_gas_sponsoring_extension() if sponsored else None,
        )


def tell(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> None:
    given = json.loads(sys.stdin.readline())
    enclave = Enclave()
    app = application(enclave)
    shop = Shop(app, given)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=enclave.ssl_context())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell(
        endpoint=f"https://127.0.0.1:{server.port}",
        public_key=enclave.public_key.hex(),
        certificate=enclave.certificate.hex(),
    )
    for command in sys.stdin:
        tell(settled=shop.settle(int(command.removeprefix("settle "))))
    server.shutdown()


if __name__ == "__main__":
    main()
