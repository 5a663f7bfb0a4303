import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import * as z from 'zod/mini'
import type { Parameters } from '../chain/Chain.ts'
import type * as Domain from '../protocol/Domain.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import { BaseError } from '../runtime/Errors.ts'

/** What a program must know to take part in a network: its chain, its contracts, where to dial first. */
export type NetworkFile = {
  readonly name: string
  readonly chainId: number
  readonly rpcUrl: string
  readonly contracts: {
    readonly vault: Hex.Address
    readonly usd: Hex.Address
    readonly registry: Hex.Address
  }
  readonly withdrawalDelaySeconds: number
  readonly unbondingDelaySeconds: number
  /** The contract that decides disputes about exact work, and its constants. */
  readonly disputes: Parameters['disputes']
  /** Multiaddrs, with peer ids, of nodes to dial first; they also relay for machines behind NAT. */
  readonly bootstrap: readonly string[]
  /** Validators that buyers trust unless they choose others. */
  readonly validators: readonly Hex.Address[]
}

const address = z
  .string()
  .check(z.regex(/^0x[0-9a-f]{40}$/)) as unknown as z.ZodMiniType<Hex.Address>
const schema = z.strictObject({
  name: z.string().check(z.maxLength(128)),
  chainId: z.int().check(z.minimum(1)),
  rpcUrl: z.url(),
  contracts: z.strictObject({ vault: address, usd: address, registry: address }),
  withdrawalDelaySeconds: z.int().check(z.minimum(0)),
  unbondingDelaySeconds: z.int().check(z.minimum(0)),
  disputes: z.strictObject({
    address,
    clockSeconds: z.int().check(z.minimum(1)),
    windowSeconds: z.int().check(z.minimum(1)),
    withdrawalDelaySeconds: z.int().check(z.minimum(0)),
  }),
  bootstrap: z.array(z.string().check(z.maxLength(512))).check(z.maxLength(64)),
  validators: z.array(address).check(z.maxLength(64)),
})

/**
 * Reads a network file.
 *
 * @throws {NetworkFileError} when it is missing or malformed.
 */
export function read(path: string): NetworkFile {
  try {
    return Json.parse(schema, JSON.parse(readFileSync(path, 'utf8')), { what: 'network file' })
  } catch (cause) {
    throw new NetworkFileError({ path, cause })
  }
}

/** Writes a network file whole or not at all. */
export function write(path: string, network: NetworkFile): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(network, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

/** The EIP-712 domain of a network. */
export function domainOf(network: NetworkFile): Domain.Domain {
  return { chainId: network.chainId, vault: network.contracts.vault }
}

/** The contracts' constants that a chain adapter needs. */
export function parametersOf(network: NetworkFile): Parameters {
  const { contracts, withdrawalDelaySeconds, unbondingDelaySeconds, disputes } = network
  return {
    usd: contracts.usd,
    registry: contracts.registry,
    withdrawalDelaySeconds,
    unbondingDelaySeconds,
    disputes,
  }
}

/** Thrown when the network file cannot be used. */
export class NetworkFileError extends BaseError {
  override readonly code = 'Cli.NetworkFileError'

  constructor({ path, cause }: { path: string; cause: unknown }) {
    super('The network file cannot be read.', {
      cause,
      metaMessages: [
        `File: ${path}`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: pass --network FILE, or start a network of your own with `npm start`, which prints its file.',
      ],
    })
  }
}
