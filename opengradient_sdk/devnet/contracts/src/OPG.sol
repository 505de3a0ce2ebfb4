// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title The OPG token of a devnet: ERC-20 with 18 decimals and EIP-2612 permits.
/// @notice Name, symbol, decimals and EIP-712 domain are those of OPG on Base. Nothing mints or burns after the start:
///         a devnet writes balances and supply into its genesis, elsewhere the constructor gives them to a treasury.
contract OPG is ERC20, ERC20Permit {
    constructor(address treasury, uint256 supply) ERC20("OpenGradient", "OPG") ERC20Permit("OpenGradient") {
        _mint(treasury, supply);
    }
}
