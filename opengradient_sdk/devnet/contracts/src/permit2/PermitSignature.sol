// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title What both halves of Permit2 share: the EIP-712 domain and who may have signed.
abstract contract PermitSignature {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    bytes32 private constant HASHED_NAME = keccak256("Permit2");

    /// @dev The lower 255 bits of the second word of an EIP-2098 signature are s, the highest bit is v - 27.
    bytes32 private constant COMPACT_S_MASK = bytes32(uint256(type(int256).max));

    error SignatureExpired(uint256 signatureDeadline);
    error InvalidNonce();
    error InvalidSignatureLength();
    error InvalidSignature();
    error InvalidSigner();
    error InvalidContractSignature();

    /// @notice The EIP-712 domain: it names no version.
    /// @dev Computed at each call, where the original caches it: a genesis can then carry this code to any chain id.
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, HASHED_NAME, block.chainid, address(this)));
    }

    function _requireNotExpired(uint256 deadline) internal view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
    }

    /// @dev Accounts sign with 65 bytes or with the 64 of EIP-2098; accounts that have code answer for themselves (EIP-1271).
    function _requireSigned(bytes calldata signature, bytes32 structHash, address claimedSigner) internal view {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), structHash));
        if (claimedSigner.code.length == 0) {
            address signer = _recover(signature, digest);
            if (signer == address(0)) revert InvalidSignature();
            if (signer != claimedSigner) revert InvalidSigner();
        } else if (IERC1271(claimedSigner).isValidSignature(digest, signature) != IERC1271.isValidSignature.selector) {
            revert InvalidContractSignature();
        }
    }

    function _recover(bytes calldata signature, bytes32 digest) private pure returns (address) {
        if (signature.length == 65) {
            return ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        }
        if (signature.length == 64) {
            bytes32 vs = bytes32(signature[32:]);
            return ecrecover(digest, 27 + uint8(uint256(vs >> 255)), bytes32(signature[:32]), vs & COMPACT_S_MASK);
        }
        revert InvalidSignatureLength();
    }
}
