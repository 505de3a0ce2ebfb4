// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {TEEInferenceVerifier} from "./TEEInferenceVerifier.sol";

/// @title Writes down on chain, as events, which inferences were made.
/// @notice Behaves like InferenceSettlementRelay of the OpenGradient chain. A batch is what the relayer says: root, size
///         and blob are not checked. An individual settlement is verified.
contract InferenceSettlementRelay is AccessControl {
    bytes32 public constant SETTLEMENT_RELAY_ROLE = keccak256("SETTLEMENT_RELAY_ROLE");

    TEEInferenceVerifier public immutable SETTLEMENT_CONTRACT;

    event BatchSettlement(bytes32 indexed merkleRoot, uint256 batchSize, bytes walrusBlobId);
    event IndividualSettlement(
        bytes32 indexed teeId,
        address indexed ethAddress,
        bytes32 inputHash,
        bytes32 outputHash,
        uint256 timestamp,
        bytes walrusBlobId,
        bytes signature
    );

    constructor(address settlementVerifier) {
        require(settlementVerifier != address(0), "Invalid settlement contract");
        SETTLEMENT_CONTRACT = TEEInferenceVerifier(settlementVerifier);
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(SETTLEMENT_RELAY_ROLE, msg.sender);
    }

    function batchSettle(bytes32 merkleRoot, uint256 batchSize, bytes calldata walrusBlobId)
        external
        onlyRole(SETTLEMENT_RELAY_ROLE)
    {
        emit BatchSettlement(merkleRoot, batchSize, walrusBlobId);
    }

    function settleIndividual(
        bytes32 teeId,
        bytes32 inputHash,
        bytes32 outputHash,
        uint256 timestamp,
        address ethAddress,
        bytes calldata walrusBlobId,
        bytes calldata signature
    ) external onlyRole(SETTLEMENT_RELAY_ROLE) {
        bool signed = SETTLEMENT_CONTRACT.verifySignature(teeId, inputHash, outputHash, timestamp, signature);
        require(signed, "Invalid signature");
        emit IndividualSettlement(
            teeId, ethAddress, inputHash, outputHash, timestamp, walrusBlobId, signature
        );
    }

    /// @notice Whether a leaf is in the tree of a root (nodes are keccak256 of the sorted pair).
    function verifyProof(bytes32[] calldata proof, bytes32 root, bytes32 leaf) external pure returns (bool) {
        return MerkleProof.verifyCalldata(proof, root, leaf);
    }
}
