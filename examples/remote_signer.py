"""A wallet whose key is elsewhere: every signature is asked for, and checked before it is used."""

import asyncio
import sys

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opengradient_sdk import AsyncOpenGradient, Devnet, DigestSigner, RemoteSigner, Signer

SERVICE = ec.generate_private_key(ec.SECP256K1())  # plays AWS KMS, Google Cloud KMS or Azure
PUBLIC_KEY = SERVICE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def sign_digest(digest: bytes) -> bytes:
    return SERVICE.sign(digest, ec.ECDSA(utils.Prehashed(SHA256())))  # DER, as they all do


async def pay_with(signer: Signer, net: Devnet) -> None:
    await net.fund(signer.address, opg="10", eth="1")
    async with AsyncOpenGradient(signer=signer, network=net.profile) as client:
        print(f"wallet   {signer!r}")
        reply = await client.chat.create(model="openai/gpt-5", messages="Who holds the key?")
        print(f"answer   {reply.text}")
        gift = client.contracts.opg.transfer(net.accounts[1].address, 10**18)
        print(f"sent     1 OPG in {(await client.chains.payments.execute(gift)).hash}")


async def main() -> None:
    async with Devnet() as net:
        if len(sys.argv) > 1:  # the URL of Web3Signer, Clef or anvil, with one account
            async with await RemoteSigner.connect(sys.argv[1]) as signer:
                await pay_with(signer, net)
        else:
            await pay_with(DigestSigner(sign_digest, public_key=PUBLIC_KEY), net)


if __name__ == "__main__":
    asyncio.run(main())
