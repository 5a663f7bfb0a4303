/** Holds the contracts' table of what each segment reads to its twin in TypeScript, for ops of every kind. */
import { createPublicClient, createWalletClient, http, parseAbi } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import bytecodes from '../contracts/testing.json' with { type: 'json' }
import { type Devnet, startDevnet } from '../src/chain/devnet.ts'
import * as Compliance from '../src/exact/compliance.ts'
import { source } from '../src/exact/compliance/Case.ts'
import { everyKind } from '../src/exact/compliance/everyKind.ts'
import type * as Graph from '../src/exact/Graph.ts'
import { kindNumbers, leavesOf } from '../src/exact/judgeable.ts'
import { readLeaf } from '../src/exact/readLeaf.ts'
import { count } from '../src/exact/Tensor.ts'
import * as Hex from '../src/protocol/Hex.ts'
import { operandsOf } from '../src/verification/judge/operandsOf.ts'
import { chainOf, type Judged, type Place, readsOf } from '../src/verification/judge/readsOf.ts'
import { bytesOfWord } from './judgeData.ts'

const full = process.env['MODE'] === 'judge-full'
const timeout = 3_600_000
const abi = parseAbi([
  'struct Read { uint256 input; uint256 element; uint256 offset; }',
  'function reads(bytes op, uint256 element, uint256 segment, bytes operands, uint256 count) view returns (Read[])',
])

let devnet: Devnet
let contract: Awaited<ReturnType<typeof startContract>>
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
  contract = await startContract(devnet)
})
afterAll(() => devnet[Symbol.asyncDispose]())

test('every kind of op reads what the twin says', { timeout }, async () => {
  const seen = await compare(everyKind(), 6)
  const kinds = Object.keys(kindNumbers)
  expect([...seen].toSorted()).toEqual(
    kinds.filter((kind) => !['state', 'batch', 'result'].includes(kind)).toSorted(),
  )
})

test('the ops of the compliance suite read what the twin says', { timeout }, async () => {
  let cases = 0
  for (const { graph } of Compliance.cases()) if (full || cases++ % 8 === 0) await compare(graph, 1)
})

/** Compares random elements and segments of all ops of a graph; says which kinds there were. */
async function compare(graph: Graph.Graph, elements: number): Promise<ReadonlySet<string>> {
  const kinds = new Set<string>()
  const { state, batch, ops } = graph
  const first = state.length + batch.length
  const next = source(`${ops.length} reads`)
  for (const bytes of leavesOf(graph).slice(first, first + ops.length)) {
    const leaf = readLeaf(bytes)
    if (leaf.kind !== 'op') throw new Error(`A ${leaf.kind} stands among the ops.`)
    kinds.add(leaf.op.kind)
    for (let i = 0; i < elements; i++) {
      const element = i === 0 ? count(leaf.shape) - 1 : next() % count(leaf.shape)
      const { segments } = chainOf(leaf)
      for (const segment of new Set([next() % (segments + 1), segments])) {
        const operands = someOperands(leaf, { element, segment }, next)
        await compareSegment({ leaf, bytes }, { element, segment }, operands)
      }
    }
  }
  return kinds
}

async function compareSegment(
  { leaf, bytes }: { leaf: Judged; bytes: Uint8Array },
  { element, segment }: Place,
  operands: Uint8Array,
): Promise<void> {
  const twin = readsOf(leaf, { element, segment }, operands)
  let offset = 0
  const expected = twin.map((read) => {
    offset += read.bytes
    return { input: read.input, element: read.element, offset: offset - read.bytes }
  })
  const place = [Hex.from(bytes), BigInt(element), BigInt(segment), Hex.from(operands)] as const
  const found = await contract.reads(place, expected.length)
  expect(found, JSON.stringify({ leaf, element, segment })).toEqual(expected)
  await expect(contract.reads(place, expected.length + 1)).rejects.toThrow(/revert/)
}

/** Often small numbers, so that indices meet rows. */
function someOperands(leaf: Judged, place: Place, next: () => number): Uint8Array {
  return operandsOf(leaf, place, ({ bytes }) =>
    bytesOfWord(next() % 3 === 0 ? next() : next() % 5).slice(0, bytes),
  )
}

async function startContract({ rpcUrl }: Devnet) {
  const transport = http(rpcUrl, { retryCount: 0 })
  const client = createPublicClient({ transport, cacheTime: 0 })
  const account = privateKeyToAccount(`0x${'11'.repeat(32)}`)
  const wallet = createWalletClient({ account, transport })
  const fees = { gas: 5_000_000n, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n }
  const data = bytecodes.ReadsOf as Hex.Hex
  const hash = await wallet.sendTransaction({ data, chain: null, ...fees })
  const { contractAddress } = await client.waitForTransactionReceipt({ hash, pollingInterval: 20 })
  return {
    async reads(place: readonly [Hex.Hex, bigint, bigint, Hex.Hex], length: number) {
      const args = [...place, BigInt(length)] as const
      const question = { address: contractAddress!, abi, functionName: 'reads', args } as const
      const list = await client.readContract(question)
      return list.map(({ input, element, offset }) => ({
        input: Number(input),
        element: Number(element),
        offset: Number(offset),
      }))
    },
  }
}
