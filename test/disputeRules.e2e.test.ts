import {
  concat,
  createPublicClient,
  decodeFunctionResult,
  encodeFunctionData,
  http,
  numberToHex,
} from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { disputeRules } from '../src/chain/artifacts.ts'
import { deploy } from '../src/chain/deploy.ts'
import { type Devnet, startDevnet } from '../src/chain/devnet.ts'
import { callOf, structOf } from '../src/chain/viemMoves.ts'
import type { ExactClaim } from '../src/protocol/ExactClaim.ts'
import type * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Game from '../src/verification/dispute/Game.ts'
import * as Move from '../src/protocol/dispute/Move.ts'
import { MoveError } from '../src/verification/dispute/MoveError.ts'
import * as Position from '../src/protocol/dispute/Position.ts'
import { type Dice, diceOf } from './exactFaults.ts'
import { playFaults, scenarios } from './playFaults.ts'

/** `npm run test:judge-full` compares more games. */
const full = process.env['MODE'] === 'judge-full'
const count = (full ? 32 : 4) * scenarios.length

let devnet: Devnet
let ask: (claim: ExactClaim, position: Position.Position, move: Move.Move) => Promise<string>

beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
  const deployer = Identity.from(new Uint8Array(32).fill(9))
  const { disputes } = await deploy({ rpcUrl: devnet.rpcUrl, deployer })
  const client = createPublicClient({ transport: http(devnet.rpcUrl), cacheTime: 0 })
  ask = async (claim, position, move) => {
    if (move.type === 'concede') return ''
    const { functionName, args } = callOf(claim, move)
    const key = { claim: `0x${'00'.repeat(32)}`, challenger: `0x${'00'.repeat(20)}` }
    const all = [key, structOf(position), ...args]
    const call = { functionName, args: all, abi: disputeRules.abi }
    // `Disputes` sends the number of steps behind the arguments.
    const steps = numberToHex(claim.steps, { size: 32 })
    const data = concat([encodeFunctionData(call as never), steps])
    const returned = await client.call({ to: disputes.rules, data }).catch((error: unknown) => {
      if (!/revert/i.test(String(error))) throw error
      return undefined
    })
    if (!returned) return 'refused'
    if (!returned.data) return 'end'
    const found = decodeFunctionResult({ ...call, data: returned.data } as never)
    return told(...(found as unknown as readonly [Hex.Hex, number]))
  }
})
afterAll(() => devnet[Symbol.asyncDispose]())

describe('DisputeRules', () => {
  test(
    `makes of every move what the game in TypeScript makes of it, in ${count} games`,
    { timeout: 3_600_000 },
    async () => {
      const seen: Record<string, number> = {}
      for await (const { number, claim, played } of playFaults({ count, first: 7_000 })) {
        const dice = diceOf(`rules ${number}`)
        const changed = played.tried.flatMap(({ position, move }) =>
          Array.from({ length: full ? 6 : 3 }, () => ({ position, move: change(move, dice) })),
        )
        for (const { position, move } of [...played.tried, ...changed]) {
          if (move.type === 'concede') continue
          // A token is the only read of its op, so the contract does not ask for its number.
          if (move.type === 'prove-read' && move.opening.source === 'data' && move.read > 0)
            continue
          const ours = outcomeOf(claim, position, move)
          const theirs = await ask(claim, position, move)
          expect(theirs, `game ${number}, ${JSON.stringify({ position, move })}`).toBe(ours)
          const source = move.type === 'prove-read' ? ` of ${move.opening.source}` : ''
          const kind = `${move.type}${source}: ${ours.startsWith('0x') ? 'goes on' : ours}`
          seen[kind] = (seen[kind] ?? 0) + 1
        }
      }
      if (full) console.info(seen)
      for (const type of ['reveal', 'pick', 'enter', 'tensor', 'leaf', 'element', 'part'])
        for (const outcome of ['goes on', 'refused'])
          expect(seen).toHaveProperty(`${type}: ${outcome}`)
      const reads = ['state', 'trace', 'data'].map((source) => `prove-read of ${source}`)
      for (const type of [...(full ? reads : []), 'prove-arithmetic', 'prove-slot'])
        for (const outcome of ['end', 'refused']) expect(seen).toHaveProperty(`${type}: ${outcome}`)
    },
  )
})

function outcomeOf(claim: ExactClaim, position: Position.Position, move: Move.Move): string {
  try {
    const outcome = Game.play(claim, position, move)
    if (outcome.type === 'end') return 'end'
    return told(Position.hash(outcome.position), Position.parties.indexOf(outcome.position.turn))
  } catch (error) {
    if (error instanceof MoveError) return 'refused'
    throw error
  }
}

function told(position: Hex.Hex, turn: number): string {
  return `${position} ${turn}`
}

/** The move with something in it changed, still one that parses. */
function change(move: Move.Move, dice: Dice): Move.Move {
  const fields = Object.keys(move).filter((field) => field !== 'type')
  if (fields.length === 0) return move
  const field = dice.pick(fields) as keyof Move.Move
  const other = { ...move, [field]: changed(move[field], dice) } as Move.Move
  try {
    return Move.deserialize(Move.serialize(other))
  } catch {
    return move
  }
}

function changed(value: unknown, dice: Dice): unknown {
  if (typeof value === 'number') return Math.max(0, value + dice.pick([-1, 1, 2]))
  if (typeof value === 'string') {
    if (!value.startsWith('0x')) return value
    if (value.length === 2 || (value.length !== 66 && dice.below(3) === 0)) return `${value}00`
    const at = 2 + dice.below(value.length - 2)
    return value.slice(0, at) + (value[at] === '0' ? '1' : '0') + value.slice(at + 1)
  }
  if (Array.isArray(value)) {
    if (value.length === 0 || dice.below(3) === 0)
      return [...(value as unknown[]), `0x${'ab'.repeat(32)}`]
    if (dice.below(2) === 0) return value.slice(1)
    const at = dice.below(value.length)
    return value.with(at, changed(value[at], dice))
  }
  if (typeof value !== 'object' || value === null) return value
  const field = dice.pick(Object.keys(value))
  return { ...value, [field]: changed((value as Record<string, unknown>)[field], dice) }
}
