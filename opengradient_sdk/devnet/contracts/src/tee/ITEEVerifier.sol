// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The TEE verifier of the OpenGradient chain: a precompile at 0x900 there, code at the same address on a devnet.
interface ITEEVerifier {
    /// @notice Whether the attestation document is genuine and binds both the signing key and the TLS certificate.
    /// @param document The COSE_Sign1 document, raw. @param signingKey DER SubjectPublicKeyInfo.
    /// @param tlsCertificate DER. @param rootCertificate PEM; empty means the AWS Nitro root.
    /// @return valid False for whatever is wrong: nothing reverts.
    /// @return pcrHash keccak256(PCR0 || PCR1 || PCR2), zero when invalid.
    function verifyAttestation(
        bytes calldata document,
        bytes calldata signingKey,
        bytes calldata tlsCertificate,
        bytes calldata rootCertificate
    ) external view returns (bool valid, bytes32 pcrHash);

    /// @notice Whether the signature is RSASSA-PSS (SHA-256, MGF1-SHA-256, 32 bytes of salt) over the 32 bytes of a hash.
    /// @param publicKey DER SubjectPublicKeyInfo of an RSA key of 2048 to 8192 bits.
    function verifyRSAPSS(bytes calldata publicKey, bytes32 messageHash, bytes calldata signature)
        external
        view
        returns (bool);
}
