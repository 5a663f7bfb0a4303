import { bytesToHex, numberToHex } from 'viem'
import type * as Hex from '../protocol/Hex.ts'
import type { Block, Included, Log } from './evmChain.ts'

/** Where a transaction is. */
type Place = { readonly block: Block; readonly index: number }

const none = `0x${'00'.repeat(32)}` as const
const bloom = `0x${'00'.repeat(256)}` as const

/** A block as `eth_getBlockByNumber` answers. */
export function describeBlock(block: Block | undefined): unknown {
  if (!block) return null
  return {
    number: numberToHex(block.number),
    hash: block.hash,
    parentHash: block.parentHash,
    timestamp: numberToHex(block.timestampSeconds),
    transactions: block.included.map(({ hash }) => hash),
    gasLimit: numberToHex(60_000_000),
    gasUsed: numberToHex(block.included.reduce((sum, { gasUsed }) => sum + gasUsed, 0n)),
    baseFeePerGas: '0x0',
    nonce: '0x0000000000000000',
    difficulty: '0x0',
    size: '0x0',
    extraData: '0x',
    logsBloom: bloom,
    sha3Uncles: none,
    stateRoot: none,
    receiptsRoot: none,
    transactionsRoot: none,
    miner: `0x${'00'.repeat(20)}`,
    uncles: [],
  }
}

/** A transaction as `eth_getTransactionByHash` answers; without a place it waits. */
export function describeTransaction(
  { hash, from, transaction }: Pick<Included, 'hash' | 'from' | 'transaction'>,
  place?: Place,
): unknown {
  return {
    hash,
    from,
    to: transaction.to?.toString() ?? null,
    input: bytesToHex(transaction.data),
    nonce: numberToHex(transaction.nonce),
    gas: numberToHex(transaction.gasLimit),
    value: numberToHex(transaction.value),
    type: numberToHex(transaction.type),
    gasPrice: '0x0',
    maxFeePerGas: '0x0',
    maxPriorityFeePerGas: '0x0',
    r: numberToHex(transaction.r ?? 0n),
    s: numberToHex(transaction.s ?? 0n),
    v: numberToHex(transaction.v ?? 0n),
    ...(place ? placeOf(place) : { blockNumber: null, blockHash: null, transactionIndex: null }),
  }
}

/** A receipt as `eth_getTransactionReceipt` answers. */
export function describeReceipt(place: Place): unknown {
  const { hash, from, transaction, succeeded, gasUsed, contract } =
    place.block.included[place.index]!
  const before = place.block.included.slice(0, place.index)
  const cumulative = before.reduce((sum, one) => sum + one.gasUsed, gasUsed)
  return {
    transactionHash: hash,
    from,
    to: transaction.to?.toString() ?? null,
    contractAddress: contract ?? null,
    status: succeeded ? '0x1' : '0x0',
    gasUsed: numberToHex(gasUsed),
    cumulativeGasUsed: numberToHex(cumulative),
    effectiveGasPrice: '0x0',
    type: numberToHex(transaction.type),
    logsBloom: bloom,
    logs: logsOf(place.block).filter(({ transactionHash }) => transactionHash === hash),
    ...placeOf(place),
  }
}

/** Logs as `eth_getLogs` answers: of the addresses and topics that are named, all others too where none is. */
export function describeLogs(
  blocks: readonly Block[],
  { from, to, addresses, topics }: LogFilter,
): readonly unknown[] {
  return blocks
    .slice(from, to + 1)
    .flatMap(logsOf)
    .filter((log) => !addresses || addresses.includes(log.address))
    .filter((log) =>
      topics.every((wanted, index) => wanted === null || wanted.includes(log.topics[index]!)),
    )
}

export type LogFilter = {
  readonly from: number
  readonly to: number
  readonly addresses: readonly Hex.Address[] | undefined
  /** For each position the topics that count, or null for any. */
  readonly topics: readonly (readonly Hex.Hex[] | null)[]
}

function logsOf(block: Block) {
  const flat = block.included.flatMap((included, index) =>
    included.logs.map((log: Log) => ({ log, included, index })),
  )
  return flat.map(({ log, included, index }, logIndex) => ({
    ...log,
    ...placeOf({ block, index }),
    blockTimestamp: numberToHex(block.timestampSeconds),
    transactionHash: included.hash,
    logIndex: numberToHex(logIndex),
    removed: false,
  }))
}

function placeOf({ block, index }: Place) {
  return {
    blockNumber: numberToHex(block.number),
    blockHash: block.hash,
    transactionIndex: numberToHex(index),
  }
}
