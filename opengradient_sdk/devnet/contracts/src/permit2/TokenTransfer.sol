// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title An ERC-20 transfer that also takes tokens that return nothing.
library TokenTransfer {
    /// @dev A token may answer nothing or true; whatever else it does becomes the original's one revert text.
    function move(address token, address from, address to, uint256 amount) internal {
        (bool called, bytes memory answer) = token.call(abi.encodeCall(IERC20.transferFrom, (from, to, amount)));
        bool agreed = answer.length == 0 || (answer.length >= 32 && uint256(bytes32(answer)) == 1);
        require(called && agreed, "TRANSFER_FROM_FAILED");
    }
}
