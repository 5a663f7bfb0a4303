/** The judge's contract on a local chain, asked thousands of questions in a call. */
import {
  BaseError,
  createPublicClient,
  createWalletClient,
  decodeFunctionResult,
  encodeFunctionData,
  http,
  parseAbi,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import bytecodes from '../contracts/testing.json' with { type: 'json' }
import { exactJudge } from '../src/chain/artifacts.ts'
import { startDevnet } from '../src/chain/devnet.ts'
import * as Hex from '../src/protocol/Hex.ts'

/** What the contracts answer; bytes are bytes, numbers below 2^53 are numbers. */
export type JudgeContract = AsyncDisposable & {
  /** @returns undefined when the operands do not fit. */
  segment(question: Question): Promise<Uint8Array | undefined>
  /** The same for many accumulators and operands of one segment, which must fit, of `width` bytes each. */
  segments(question: Many): Promise<readonly Uint8Array[]>
  chainOf(leaf: Uint8Array): Promise<{ segments: number; width: number; initial: Uint8Array }>
  beginning(draw: Draw): Promise<number>
  leafHash(leaf: Uint8Array): Promise<Uint8Array>
  rootFrom(node: Uint8Array, place: Place, path: readonly Uint8Array[]): Promise<Uint8Array>
  fold(nodes: readonly Uint8Array[]): Promise<Uint8Array>
}

export type Question = {
  readonly leaf: Uint8Array
  readonly element: number
  readonly segment: number
  readonly acc: Uint8Array
  readonly operands: Uint8Array
}
type Many = Pick<Question, 'leaf' | 'element' | 'segment'> & {
  readonly width: 4 | 64
  readonly cases: readonly Pick<Question, 'acc' | 'operands'>[]
}
type Draw = {
  readonly seed: readonly [number, number]
  readonly worker: number
  readonly step: number
  readonly row: number
  readonly beginnings: number
}
type Place = { readonly index: number; readonly count: number }

const manyCallsAbi = parseAbi([
  'function each(address target, bytes template, uint256 place, bytes records, uint256 size, uint256 kept) view returns (bytes)',
])
const costsAbi = parseAbi([
  'function leafHash(bytes leaf) view returns (bytes32)',
  'function rootFrom(bytes32 node, uint256 index, uint256 count, bytes32[] path) view returns (bytes32)',
  'function fold(bytes32[] nodes) view returns (bytes32)',
])

/** Starts a chain with the judge and its helpers on it. */
export async function startJudgeContract(): Promise<JudgeContract> {
  await using stack = new AsyncDisposableStack()
  const { rpcUrl } = stack.use(await startDevnet({ blockTimeSeconds: 0 }))
  const transport = http(rpcUrl, { retryCount: 0, timeout: 120_000 })
  const client = createPublicClient({ transport })
  const account = privateKeyToAccount(`0x${'11'.repeat(32)}`)
  const wallet = createWalletClient({ account, transport })
  const deploy = async (bytecode: string) => {
    const fees = { gas: 12_000_000n, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n }
    const data = bytecode as Hex.Hex
    const hash = await wallet.sendTransaction({ data, chain: null, ...fees })
    const { contractAddress } = await client.waitForTransactionReceipt({
      hash,
      pollingInterval: 20,
    })
    return contractAddress!
  }
  const judge = await deploy(exactJudge.bytecode)
  const manyCalls = await deploy(bytecodes.ManyCalls)
  const costs = await deploy(bytecodes.JudgeCosts)
  const call = async (to: Hex.Hex, data: Hex.Hex) => {
    const { data: returned } = await client
      .call({ to, data, gas: 59_000_000n })
      .catch((error: unknown) => {
        // The message holds all of the input: what went wrong stands in its details.
        throw new Error(`The call failed: ${error instanceof BaseError ? error.details : ''}`)
      })
    return returned!
  }

  const input = ({ leaf, element, segment, acc, operands }: Question) =>
    encodeFunctionData({
      abi: exactJudge.abi,
      functionName: 'segment',
      args: [hex(leaf), BigInt(element), BigInt(segment), hex(acc), hex(operands)],
    })
  const ofCosts = async (data: Hex.Hex) => Hex.toBytes(await call(costs, data))
  const owned = stack.move()
  return {
    async segment(question) {
      const data = await call(judge, input(question))
      const [fits, result] = decodeFunctionResult({
        abi: exactJudge.abi,
        functionName: 'segment',
        data,
      })
      return fits ? Hex.toBytes(result) : undefined
    },
    async segments({ cases, width, ...rest }) {
      const results: Uint8Array[] = []
      const template = input({ ...rest, ...cases[0]! })
      // Its end is the accumulator, the length of the operands, and the operands, each in whole words.
      const accBytes = padded(width)
      const size = accBytes + 32 + padded(cases[0]!.operands.byteLength)
      const place = template.length / 2 - 1 - size
      const end = Hex.toBytes(template).subarray(place)
      // A chain of subnormals takes some 120,000 gas, a program some 35,000, and a call has 59 million.
      const most = size > 200 ? 300 : 1000
      for (let from = 0; from < cases.length; from += most) {
        const part = cases.slice(from, from + most)
        const records = new Uint8Array(part.length * size)
        part.forEach(({ acc, operands }, index) => {
          records.set(end, index * size)
          records.set(acc, index * size)
          records.set(operands, index * size + accBytes + 32)
        })
        const numbers = [place, size, accBytes].map(BigInt) as [bigint, bigint, bigint]
        const returned = await call(
          manyCalls,
          encodeFunctionData({
            abi: manyCallsAbi,
            functionName: 'each',
            args: [judge, template, numbers[0], hex(records), numbers[1], numbers[2]],
          }),
        )
        // Of what is returned: where the bytes begin, how many there are, and they.
        const kept = Hex.toBytes(returned).subarray(64)
        part.forEach((_, index) =>
          results.push(kept.slice(index * accBytes, index * accBytes + width)),
        )
      }
      return results
    },
    async chainOf(leaf) {
      const data = encodeFunctionData({
        abi: exactJudge.abi,
        functionName: 'chainOf',
        args: [hex(leaf)],
      })
      const [segments, width, initial] = decodeFunctionResult({
        abi: exactJudge.abi,
        functionName: 'chainOf',
        data: await call(judge, data),
      })
      return { segments: Number(segments), width: Number(width), initial: Hex.toBytes(initial) }
    },
    async beginning({ seed, worker, step, row, beginnings }) {
      const data = encodeFunctionData({
        abi: exactJudge.abi,
        functionName: 'beginning',
        args: [...seed, worker, step, row, BigInt(beginnings)],
      })
      return Number(BigInt(await call(judge, data)))
    },
    leafHash: (leaf) =>
      ofCosts(encodeFunctionData({ abi: costsAbi, functionName: 'leafHash', args: [hex(leaf)] })),
    rootFrom: (node, { index, count }, path) =>
      ofCosts(
        encodeFunctionData({
          abi: costsAbi,
          functionName: 'rootFrom',
          args: [hex(node), BigInt(index), BigInt(count), path.map(hex)],
        }),
      ),
    fold: (nodes) =>
      ofCosts(encodeFunctionData({ abi: costsAbi, functionName: 'fold', args: [nodes.map(hex)] })),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function hex(bytes: Uint8Array): Hex.Hex {
  return Hex.from(bytes)
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 32) * 32
}
