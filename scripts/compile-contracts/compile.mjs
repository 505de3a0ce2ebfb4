// Compiles the devnet's Solidity into opengradient_sdk/devnet/contracts/artifacts/<Contract>.json.
//
//   npm ci && node compile.mjs [output folder]
//
// The same sources give the same bytes: compiler and libraries are pinned, and no metadata hash is appended.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const solc = require("solc");

const here = dirname(fileURLToPath(import.meta.url));
const contracts = join(here, "..", "..", "opengradient_sdk", "devnet", "contracts");
const sourceRoot = join(contracts, "src");
const outputFolder = process.argv[2] ?? join(contracts, "artifacts");
const LIBRARY = "@openzeppelin/contracts";

// The contracts that a devnet deploys; everything else is a part of one of them.
const DEPLOYED = [
  "OPG.sol",
  "Multicall3.sol",
  "permit2/Permit2.sol",
  "x402/X402ExactPermit2Proxy.sol",
  "x402/X402UptoPermit2Proxy.sol",
  "tee/TEERegistry.sol",
  "tee/TEERegistryApril.sol",
  "tee/TEEVerifier.sol",
  "settlement/InferenceSettlementRelay.sol",
  "settlement/TEEBatchVerifier.sol",
  "settlement/TEEInferenceVerifier.sol",
];

const settings = {
  optimizer: { enabled: true, runs: 200 },
  // py-evm and anvil both run it
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: {
    "*": {
      "": ["ast"],
      "*": [
        "abi",
        "evm.bytecode.object",
        "evm.deployedBytecode.object",
        "evm.deployedBytecode.immutableReferences",
        "storageLayout",
      ],
    },
  },
};

function solidityFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".sol"))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join(posix.sep))
    .sort();
}

function compile(names) {
  const sources = Object.fromEntries(
    names.map((name) => [name, { content: readFileSync(join(sourceRoot, name), "utf8") }]),
  );
  const findImports = (path) =>
    path.startsWith(`${LIBRARY}/`)
      ? { contents: readFileSync(require.resolve(path), "utf8") }
      : { error: `${path} is neither ours nor of ${LIBRARY}` };
  const input = JSON.stringify({ language: "Solidity", sources, settings });
  const output = JSON.parse(solc.compile(input, { import: findImports }));
  // our own sources compile without a warning; what the library is warned about is its own business
  const complaints = (output.errors ?? []).filter(
    ({ severity, sourceLocation }) =>
      severity === "error" || !sourceLocation?.file.startsWith(`${LIBRARY}/`),
  );
  if (complaints.length > 0) {
    throw new Error(complaints.map((complaint) => complaint.formattedMessage).join("\n"));
  }
  return output;
}

// Every node of a syntax tree that is a variable marked `immutable`, as [id, name].
function* immutables(node) {
  if (Array.isArray(node)) {
    for (const item of node) yield* immutables(item);
  } else if (node !== null && typeof node === "object") {
    if (node.nodeType === "VariableDeclaration" && node.mutability === "immutable") {
      yield [String(node.id), node.name];
    }
    yield* immutables(Object.values(node));
  }
}

// The compiler names immutables by syntax tree ids; whoever fills them in wants their names.
function byName(references, names) {
  return Object.fromEntries(
    Object.entries(references)
      .map(([id, places]) => [names.get(id), places])
      .sort(([left], [right]) => (left < right ? -1 : 1)),
  );
}

// Slots only, and no syntax tree ids: those change with any other file.
function slots(layout) {
  return layout.storage.map(({ label, slot, offset, type }) => ({
    label,
    slot: Number(slot),
    offset,
    type: layout.types[type].label,
  }));
}

function sourceHash(names) {
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(name).update("\0").update(readFileSync(join(sourceRoot, name))).update("\0");
  }
  return hash.digest("hex");
}

const names = solidityFiles(sourceRoot);
const output = compile(names);
const immutableNames = new Map(
  Object.values(output.sources).flatMap(({ ast }) => [...immutables(ast)]),
);
const provenance = {
  compiler: `solc ${solc.version()}`,
  evmVersion: settings.evmVersion,
  libraries: { [LIBRARY]: require(`${LIBRARY}/package.json`).version },
  sourcesSha256: sourceHash(names),
};

rmSync(outputFolder, { recursive: true, force: true });
mkdirSync(outputFolder, { recursive: true });
for (const file of DEPLOYED) {
  const contractName = posix.basename(file, ".sol");
  const { abi, evm, storageLayout } = output.contracts[file][contractName];
  const artifact = {
    contractName,
    source: file,
    ...provenance,
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
    immutableReferences: byName(evm.deployedBytecode.immutableReferences, immutableNames),
    storageLayout: slots(storageLayout),
  };
  writeFileSync(join(outputFolder, `${contractName}.json`), `${JSON.stringify(artifact, null, 1)}\n`);
}
