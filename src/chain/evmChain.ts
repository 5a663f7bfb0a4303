import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  truncateSync,
} from 'node:fs'
import { createBlock, type Block as EvmBlock } from '@ethereumjs/block'
import { createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { SimpleStateManager } from '@ethereumjs/statemanager'
import { createTxFromRLP, type TypedTransaction } from '@ethereumjs/tx'
import { createAddressFromString, type Address } from '@ethereumjs/util'
import { createVM, runTx, type VM } from '@ethereumjs/vm'
import { bytesToHex, hexToBytes, keccak256 } from 'viem'
import type * as Hex from '../protocol/Hex.ts'
import type { Clock } from '../runtime/Clock.ts'

/** A chain of blocks over `@ethereumjs/vm`. Not for two callers at once: `evmRpc.ts` lets them in one by one. */
export type EvmChain = {
  readonly blocks: readonly Block[]
  /** Where a transaction is. */
  readonly places: ReadonlyMap<Hex.Hex, { readonly block: Block; readonly index: number }>
  pooled(hash: Hex.Hex): Pooled | undefined
  /** Makes a block of what can be executed now. */
  mine(): Promise<void>
  /** @throws {RpcError} when the transaction cannot be taken. */
  submit(raw: Hex.Hex): Promise<Hex.Hex>
  /** The next nonce of an account, counting what waits. */
  nonce(address: Hex.Address, options: { pending: boolean }): Promise<bigint>
  code(address: Hex.Address): Promise<Uint8Array>
  /**
   * Runs a call on the newest state and takes it back.
   *
   * @throws {RpcError} when it reverts.
   */
  simulate(call: Call): Promise<{ returned: Uint8Array; gasUsed: bigint }>
  /** For tests of what takes time. */
  skip(seconds: number): void
  setNextTimestamp(seconds: number): void
}

export type Block = {
  readonly number: number
  readonly hash: Hex.Hex
  readonly parentHash: Hex.Hex
  readonly timestampSeconds: number
  readonly included: readonly Included[]
}

export type Included = {
  readonly hash: Hex.Hex
  readonly from: Hex.Address
  readonly transaction: TypedTransaction
  readonly succeeded: boolean
  readonly gasUsed: bigint
  readonly contract: Hex.Address | undefined
  readonly logs: readonly Log[]
}

export type Log = {
  readonly address: Hex.Address
  readonly topics: readonly Hex.Hex[]
  readonly data: Hex.Hex
}

export type EvmChainOptions = {
  clock: Clock
  chainId: number
  /** A block for each transaction at once. */
  automine: boolean
  /** Every block is appended to it, one JSON line each. */
  statePath?: string | undefined
}

/** What one block may use; what one call may use. */
export const gasLimit = 60_000_000n
const poolLimit = 10_000

/** Creates a chain, and replays the blocks of its file. */
export async function createEvmChain(options: EvmChainOptions): Promise<EvmChain> {
  const { clock, chainId, automine, statePath } = options
  const common = createCustomCommon({ chainId }, Mainnet, { hardfork: Hardfork.Osaka })
  const vm = await createVM({ common, stateManager: new SimpleStateManager({ common }) })
  const blocks: Block[] = [genesis]
  const places = new Map<Hex.Hex, { block: Block; index: number }>()
  let pool: Pooled[] = []
  let offsetSeconds = 0
  let nextTimestampSeconds: number | undefined
  const head = () => blocks.at(-1)!
  const parse = (raw: Hex.Hex) => createTxFromRLP(hexToBytes(raw), { common })

  const now = () => Math.floor(clock.now() / 1000) + offsetSeconds
  const nextTimestamp = () =>
    nextTimestampSeconds ?? Math.max(now(), head().timestampSeconds + (automine ? 0 : 1))

  const apply = async (timestampSeconds: number, waiting: readonly Pooled[]) => {
    const parent = head()
    const number = parent.number + 1
    const context = contextOf(vm, number, timestampSeconds)
    const included: Included[] = []
    for (const { transaction, hash, from } of waiting)
      included.push({ hash, from, transaction, ...(await execute(vm, transaction, context)) })
    const hash = keccak256(
      new TextEncoder().encode(
        JSON.stringify([parent.hash, number, timestampSeconds, included.map((one) => one.hash)]),
      ),
    )
    const block = { number, hash, parentHash: parent.hash, timestampSeconds, included }
    blocks.push(block)
    included.forEach((one, index) => places.set(one.hash, { block, index }))
  }

  const mine = async () => {
    const ready = await readyOf(vm, pool)
    const timestampSeconds = nextTimestamp()
    nextTimestampSeconds = undefined
    await apply(timestampSeconds, ready)
    if (statePath !== undefined) append(statePath, timestampSeconds, ready)
    const taken = new Set(ready.map(({ hash }) => hash))
    pool = pool.filter(({ hash }) => !taken.has(hash))
  }

  for (const line of statePath === undefined ? [] : readLines(statePath)) {
    const transactions = line.raw.map((raw) => pooledOf(parse(raw), raw))
    await apply(line.timestampSeconds, transactions)
  }

  const nonce: EvmChain['nonce'] = async (address, { pending }) => {
    let next = await nonceOf(vm, address)
    const waits = ({ from, transaction }: Pooled) => from === address && transaction.nonce === next
    while (pending && pool.some(waits)) next += 1n
    return next
  }

  return {
    blocks,
    places,
    pooled: (hash) => pool.find((one) => one.hash === hash),
    mine,
    async submit(raw) {
      const pooled = pooledOf(parse(raw), raw)
      await checkPooled(vm, pooled, pool)
      pool.push(pooled)
      if (automine) await mine()
      return pooled.hash
    },
    nonce,
    code: (address) => vm.stateManager.getCode(addressOf(address)),
    simulate: (call) => simulate(vm, call, nextTimestamp(), head().number + 1),
    skip: (seconds) => void (offsetSeconds += seconds),
    setNextTimestamp: (seconds) => void (nextTimestampSeconds = seconds),
  }
}

/** A transaction that waits for a block. */
export type Pooled = {
  readonly hash: Hex.Hex
  readonly from: Hex.Address
  readonly raw: Hex.Hex
  readonly transaction: TypedTransaction
}

export type Call = {
  readonly from?: Hex.Address | undefined
  readonly to?: Hex.Address | undefined
  readonly data?: Hex.Hex | undefined
  readonly input?: Hex.Hex | undefined
}

const genesis: Block = {
  number: 0,
  hash: keccak256('0x'),
  parentHash: `0x${'00'.repeat(32)}`,
  timestampSeconds: 0,
  included: [],
}

/** What can be executed now: each account's transactions in order of their nonces, as many as a block holds. */
async function readyOf(vm: VM, pool: readonly Pooled[]): Promise<readonly Pooled[]> {
  const ready: Pooled[] = []
  const nonces = new Map<Hex.Address, bigint>()
  let gas = 0n
  const left = pool.toSorted((a, b) => Number(a.transaction.nonce - b.transaction.nonce))
  for (const pooled of left) {
    const { from, transaction } = pooled
    const next = nonces.get(from) ?? (await nonceOf(vm, from))
    if (transaction.nonce !== next || gas + transaction.gasLimit > gasLimit) continue
    gas += transaction.gasLimit
    nonces.set(from, next + 1n)
    ready.push(pooled)
  }
  return ready
}

async function checkPooled(vm: VM, { from, hash, transaction }: Pooled, pool: readonly Pooled[]) {
  if (transaction.nonce < (await nonceOf(vm, from))) throw new RpcError(-32_003, 'nonce too low')
  if (transaction.gasLimit > gasLimit) throw new RpcError(-32_000, 'exceeds block gas limit')
  if (pool.length >= poolLimit) throw new RpcError(-32_000, 'the pool is full')
  const same = pool.find((one) => one.from === from && one.transaction.nonce === transaction.nonce)
  if (!same) return
  const known = same.hash === hash
  throw new RpcError(-32_000, known ? 'already known' : 'replacement transaction underpriced')
}

function pooledOf(transaction: TypedTransaction, raw: Hex.Hex): Pooled {
  const from = transaction.getSenderAddress().toString()
  return { hash: keccak256(raw), from, raw, transaction }
}

function contextOf(vm: VM, number: number, timestampSeconds: number): EvmBlock {
  const header = { number, timestamp: timestampSeconds, gasLimit, baseFeePerGas: 0n }
  return createBlock({ header }, { common: vm.common, skipConsensusFormatValidation: true })
}

async function execute(vm: VM, tx: TypedTransaction, block: EvmBlock) {
  const { execResult, totalGasSpent, createdAddress, receipt } = await runTx(vm, {
    tx,
    block,
    skipBalance: true,
    skipBlockGasLimitValidation: true,
    skipHardForkValidation: true,
  })
  const logs = receipt.logs.map(([address, topics, data]) => ({
    address: bytesToHex(address),
    topics: topics.map((topic) => bytesToHex(topic)),
    data: bytesToHex(data),
  }))
  return {
    succeeded: execResult.exceptionError === undefined,
    gasUsed: totalGasSpent,
    contract: createdAddress?.toString() as Hex.Address | undefined,
    logs,
  }
}

/** Runs a call on the newest state and takes it back. */
async function simulate(vm: VM, call: Call, timestampSeconds: number, number: number) {
  const data = hexToBytes(call.data ?? call.input ?? '0x')
  await vm.stateManager.checkpoint()
  try {
    const { execResult } = await vm.evm.runCall({
      block: contextOf(vm, number, timestampSeconds),
      data,
      gasLimit,
      skipBalance: true,
      ...(call.from === undefined ? {} : { caller: addressOf(call.from) }),
      ...(call.to === undefined ? {} : { to: addressOf(call.to) }),
    })
    const { returnValue, exceptionError, executionGasUsed } = execResult
    if (exceptionError)
      throw new RpcError(3, `execution reverted: ${exceptionError.error}`, bytesToHex(returnValue))
    const creation = call.to === undefined ? 32_000n + 2n * BigInt(Math.ceil(data.length / 32)) : 0n
    const input = data.reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0)
    // An inner call gets at most 63 of 64 parts of what is left.
    const gasUsed = ((21_000n + creation + BigInt(input) + executionGasUsed) * 64n) / 63n
    return { returned: returnValue, gasUsed }
  } finally {
    await vm.stateManager.revert()
    await vm.evm.journal.cleanup()
  }
}

async function nonceOf(vm: VM, address: Hex.Address): Promise<bigint> {
  return (await vm.stateManager.getAccount(addressOf(address)))?.nonce ?? 0n
}

function addressOf(address: Hex.Address): Address {
  return createAddressFromString(address)
}

/** The last line is half there when the program was killed while it was written: it is cut off. */
function readLines(path: string) {
  if (!existsSync(path)) return []
  const text = readFileSync(path, 'utf8')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole !== text) truncateSync(path, Buffer.byteLength(whole))
  const lines = whole.split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as { timestampSeconds: number; raw: Hex.Hex[] })
}

function append(path: string, timestampSeconds: number, included: readonly Pooled[]): void {
  const file = openSync(path, 'a')
  try {
    const line = JSON.stringify({ timestampSeconds, raw: included.map(({ raw }) => raw) })
    appendFileSync(file, `${line}\n`)
    if (included.length > 0) fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** What a node answers when it refuses a request. Never leaves the server. */
export class RpcError extends Error {
  readonly rpcCode: number
  readonly data: Hex.Hex | undefined

  constructor(code: number, message: string, data?: Hex.Hex) {
    super(message)
    this.rpcCode = code
    this.data = data
  }
}
