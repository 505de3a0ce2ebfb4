// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAllowanceTransfer} from "./IPermit2.sol";
import {PermitSignature} from "./PermitSignature.sol";
import {TokenTransfer} from "./TokenTransfer.sol";

/// @title Allowances that expire: the other half of Permit2.
/// @notice Behaves like Permit2's AllowanceTransfer for one token at a time; the batch functions are left out.
abstract contract AllowanceTransfer is IAllowanceTransfer, PermitSignature {
    bytes32 private constant PERMIT_DETAILS_TYPEHASH =
        keccak256("PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)");
    bytes32 private constant PERMIT_SINGLE_TYPEHASH = keccak256(
        "PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)"
    );

    /// @notice What a spender may still move: (amount, expiration in Unix seconds, nonce of the next permit).
    mapping(address owner => mapping(address token => mapping(address spender => PackedAllowance))) public allowance;

    function approve(address token, address spender, uint160 amount, uint48 expiration) external {
        _setAmount(allowance[msg.sender][token][spender], amount, expiration);
        emit Approval(msg.sender, token, spender, amount, expiration);
    }

    function permit(address owner, PermitSingle calldata permitSingle, bytes calldata signature) external {
        _requireNotExpired(permitSingle.sigDeadline);
        _requireSigned(signature, _hash(permitSingle), owner);

        PermitDetails calldata details = permitSingle.details;
        PackedAllowance storage allowed = allowance[owner][details.token][permitSingle.spender];
        if (allowed.nonce != details.nonce) revert InvalidNonce();
        unchecked {
            allowed.nonce = details.nonce + 1;
        }
        _setAmount(allowed, details.amount, details.expiration);
        emit Permit(
            owner, details.token, permitSingle.spender, details.amount, details.expiration, details.nonce
        );
    }

    function transferFrom(address from, address to, uint160 amount, address token) external {
        PackedAllowance storage allowed = allowance[from][token][msg.sender];
        if (block.timestamp > allowed.expiration) revert AllowanceExpired(allowed.expiration);
        if (allowed.amount != type(uint160).max) {
            if (amount > allowed.amount) revert InsufficientAllowance(allowed.amount);
            allowed.amount -= amount;
        }
        TokenTransfer.move(token, from, to, amount);
    }

    function invalidateNonces(address token, address spender, uint48 newNonce) external {
        PackedAllowance storage allowed = allowance[msg.sender][token][spender];
        uint48 oldNonce = allowed.nonce;
        if (newNonce <= oldNonce) revert InvalidNonce();
        if (newNonce - oldNonce > type(uint16).max) revert ExcessiveInvalidation();
        allowed.nonce = newNonce;
        emit NonceInvalidation(msg.sender, token, spender, newNonce, oldNonce);
    }

    function lockdown(TokenSpenderPair[] calldata approvals) external {
        for (uint256 i = 0; i < approvals.length; ++i) {
            allowance[msg.sender][approvals[i].token][approvals[i].spender].amount = 0;
            emit Lockdown(msg.sender, approvals[i].token, approvals[i].spender);
        }
    }

    /// @dev An expiration of 0 means "in this block only".
    function _setAmount(PackedAllowance storage allowed, uint160 amount, uint48 expiration) private {
        allowed.amount = amount;
        allowed.expiration = expiration == 0 ? uint48(block.timestamp) : expiration;
    }

    function _hash(PermitSingle calldata permitSingle) private pure returns (bytes32) {
        bytes32 details = keccak256(abi.encode(PERMIT_DETAILS_TYPEHASH, permitSingle.details));
        return keccak256(
            abi.encode(PERMIT_SINGLE_TYPEHASH, details, permitSingle.spender, permitSingle.sigDeadline)
        );
    }
}
