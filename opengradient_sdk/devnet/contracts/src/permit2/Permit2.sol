// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AllowanceTransfer} from "./AllowanceTransfer.sol";
import {SignatureTransfer} from "./SignatureTransfer.sol";

/// @title Permit2 for a devnet.
/// @notice Stands in for Uniswap's Permit2 at its canonical address: hashes, nonces, errors and events are the
///         original's, the code is not.
contract Permit2 is SignatureTransfer, AllowanceTransfer {}
