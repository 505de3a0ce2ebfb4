// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISignatureTransfer} from "./IPermit2.sol";
import {PermitSignature} from "./PermitSignature.sol";
import {TokenTransfer} from "./TokenTransfer.sol";

/// @title One signature moves tokens once: the half of Permit2 that x402 pays with.
/// @notice Behaves like Permit2's SignatureTransfer for single permits: same checks in the same order, same errors.
///         The batch functions of the original are left out; nothing in the network calls them.
abstract contract SignatureTransfer is ISignatureTransfer, PermitSignature {
    bytes32 private constant TOKEN_PERMISSIONS_TYPEHASH = keccak256("TokenPermissions(address token,uint256 amount)");
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "PermitTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline)TokenPermissions(address token,uint256 amount)"
    );
    string private constant PERMIT_WITNESS_TYPE_START =
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";

    /// @notice The used nonces of an owner: nonce n is bit (n & 255) of word (n >> 8).
    mapping(address owner => mapping(uint256 word => uint256 used)) public nonceBitmap;

    function permitTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(PERMIT_TYPEHASH, _hash(permit.permitted), msg.sender, permit.nonce, permit.deadline)
        );
        _transferOnce(permit, transferDetails, owner, structHash, signature);
    }

    /// @param witness The struct hash of what else the owner signed.
    /// @param witnessTypeString The rest of the EIP-712 type: "W witness)TokenPermissions(…)W(…)", sorted by name.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external {
        bytes32 typeHash = keccak256(abi.encodePacked(PERMIT_WITNESS_TYPE_START, witnessTypeString));
        bytes32 structHash = keccak256(
            abi.encode(typeHash, _hash(permit.permitted), msg.sender, permit.nonce, permit.deadline, witness)
        );
        _transferOnce(permit, transferDetails, owner, structHash, signature);
    }

    /// @notice Burns every nonce of the word whose bit is set in the mask: how an owner cancels what was signed.
    function invalidateUnorderedNonces(uint256 wordPos, uint256 mask) external {
        nonceBitmap[msg.sender][wordPos] |= mask;
        emit UnorderedNonceInvalidation(msg.sender, wordPos, mask);
    }

    function _transferOnce(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 structHash,
        bytes calldata signature
    ) private {
        _requireNotExpired(permit.deadline);
        if (transferDetails.requestedAmount > permit.permitted.amount) revert InvalidAmount(permit.permitted.amount);
        _burnNonce(owner, permit.nonce);
        _requireSigned(signature, structHash, owner);
        TokenTransfer.move(permit.permitted.token, owner, transferDetails.to, transferDetails.requestedAmount);
    }

    function _burnNonce(address owner, uint256 nonce) private {
        uint256 word = nonce >> 8;
        uint256 bit = 1 << (nonce & 0xff);
        uint256 used = nonceBitmap[owner][word];
        if (used & bit != 0) revert InvalidNonce();
        nonceBitmap[owner][word] = used | bit;
    }

    function _hash(TokenPermissions calldata permitted) private pure returns (bytes32) {
        return keccak256(abi.encode(TOKEN_PERMISSIONS_TYPEHASH, permitted.token, permitted.amount));
    }
}
