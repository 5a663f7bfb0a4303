import { beforeAll, describe, expect, test } from 'vitest'
import { type Claimed, claimRun, type Played, playOut } from '../../../test/exactDisputes.ts'
import { honestChallenger, honestClaimant } from '../../../test/exactFaults.ts'
import { decoderTraining, type TinyRun } from '../../../test/exactRuns.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Game from './Game.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import type * as MoveError from './MoveError.ts'
import * as Position from '../../protocol/dispute/Position.ts'

/** Games about an op of a chain of many segments, a token, and a slot: with each move its position. */
let games: Readonly<Record<'chain' | 'token' | 'slot', Game>>
type Game = {
  readonly claim: Claimed['claim']
  readonly turns: readonly { position: Position.Position; move: Move.Move }[]
}

beforeAll(async () => {
  const run = await decoderTraining({ length: 3, steps: 34 })
  const honest = await claimRun(run)
  const play = async (fault: Parameters<typeof claimRun>[1]): Promise<Game> => {
    const { prover, claim } = await claimRun(run, fault)
    const players = {
      claimant: honestClaimant(prover),
      challenger: honestChallenger(honest.prover),
    }
    return { claim, turns: turnsOf(claim, await playOut(claim, players)) }
  }
  const other = longestChain(run)
  games = {
    chain: await play({
      fault: {
        value: ({ step, number, bytes }) =>
          step === 17 && number === other
            ? bytes.map((byte, at) => (at === 3 ? byte ^ 1 : byte))
            : undefined,
      },
    }),
    token: await play({ fault: { batch: (step, batch) => (step === 33 ? run.batch(7) : batch) } }),
    slot: await play({
      fault: {
        state: ({ step, after }) =>
          step === 20
            ? after.map((bytes, slot) => (slot === 5 ? bytes.map((byte) => byte ^ 1) : bytes))
            : after,
      },
    }),
  }
})

describe('play', () => {
  test('leads from the claim to one segment, one token or one slot', () => {
    expect(kindsOf(games.chain)).toEqual(
      'reveal pick reveal pick enter pick reveal pick tensor pick leaf element accumulators part operands prove-arithmetic'.split(
        ' ',
      ),
    )
    expect(kindsOf(games.token).at(-1)).toBe('prove-arithmetic')
    expect(kindsOf(games.slot).slice(-6)).toEqual(
      'enter dispute-after reveal pick reveal pick prove-slot'.split(' ').slice(-6),
    )
    const { position } = games.chain.turns.at(-1)!
    expect(position).toMatchObject({ phase: 'segment', step: 17, element: 0 })
    expect(position.high - position.low).toBe(1)
  })

  test('refuses each move out of turn, and in every other phase', () => {
    for (const { claim, turns } of Object.values(games))
      for (const { move } of turns)
        for (const { position } of turns) {
          const code = codeOf(claim, position, move)
          const ours = turns.find((turn) => turn.position === position)!
          if (move.type === ours.move.type) continue
          if (['pick', 'dispute-after'].includes(move.type) && position.phase === 'trace') continue
          if (
            ['prove-read', 'prove-arithmetic'].includes(move.type) &&
            position.phase === 'segment'
          )
            continue
          const isOther = position.turn !== turns.find((turn) => turn.move === move)!.position.turn
          expect(code).toBe(isOther ? 'Dispute.OutOfTurn' : 'Dispute.WrongPhase')
        }
  })

  test('refuses a move that is changed in any part that binds it', () => {
    for (const { claim, turns } of Object.values(games))
      for (const { position, move } of turns)
        for (const [what, changed, code] of changes(move)) {
          const found = codeOf(claim, position, changed)
          expect(found, `${move.type}: ${what}`).toBe(`Dispute.${code}`)
        }
  })

  test('lets either give up, and nobody win otherwise', () => {
    const { claim, turns } = games.chain
    for (const { position } of turns)
      expect(Game.play(claim, position, { type: 'concede' })).toEqual({
        type: 'end',
        winner: Game.other(position.turn),
        reason: 'conceded',
      })
  })

  test('does not take the end of another claim, or the state before it', () => {
    const { claim, turns } = games.token
    const { position, move } = turns.find((turn) => turn.move.type === 'enter')!
    expect(codeOf({ ...claim, end: Hex.zero }, position, move)).toBe('Dispute.WrongState')
    expect(codeOf({ ...claim, graph: Hex.zero }, position, move)).toBe('Dispute.WrongGraph')
    expect(codeOf({ ...claim, run: Hex.zero }, position, move)).toBe('Dispute.WrongState')
  })

  test('forgets what was shown as soon as it was repeated', () => {
    const { turns } = games.chain
    for (const [index, { position }] of turns.entries()) {
      const before = turns[index - 1]?.move.type
      const shows = ['tensor', 'leaf', 'accumulators', 'operands'].includes(before ?? '')
      expect(position.shown !== Hex.zero).toBe(shows && position.phase !== 'tensor')
    }
  })
})

describe('partsOf', () => {
  test('cuts a chain into at most 64 parts, of accumulators of 64 bytes 16, that leave no gap', () => {
    expect(Game.partsOf({ low: 0, high: 2, width: 4 })).toEqual([0, 1, 2])
    for (const [low, high, width] of [
      [3, 1000, 4],
      [0, 17, 64],
      [5, 69, 4],
      [0, 65, 4],
    ] as const) {
      const bounds = Game.partsOf({ low, high, width })
      expect(bounds.length - 1).toBe(Math.min(high - low, width === 4 ? 64 : 16))
      expect([bounds[0], bounds.at(-1)]).toEqual([low, high])
      bounds.slice(1).forEach((bound, index) => expect(bound).toBeGreaterThan(bounds[index]!))
    }
  })
})

describe('leafCount', () => {
  test('is that of the tree in dispute', () => {
    const position = { ...Position.first({ steps: 9, run: Hex.zero }), batchCount: 1, opCount: 4 }
    const facts = { ...position, stateCount: 3, byteLength: 257 }
    const count = (phase: Position.Phase) => Game.leafCount({ steps: 9 }, { ...facts, phase })
    expect([count('run'), count('trace'), count('after'), count('tensor')]).toEqual([9, 5, 3, 2])
  })
})

/** Changes that must be refused, with the code of the refusal. */
type Change = readonly [string, Move.Move, MoveError.Refusal]

function changes(move: Move.Move): readonly Change[] {
  const twist = (hex: Hex.Hex): Hex.Hex =>
    hex === '0x' ? '0x00' : `${hex.slice(0, -1) as Hex.Hex}${hex.endsWith('0') ? '1' : '0'}`
  switch (move.type) {
    case 'reveal':
      return [
        ['one less', { ...move, nodes: move.nodes.slice(1) }, 'WrongNodes'],
        ['another', { ...move, nodes: move.nodes.with(-1, Hex.zero) }, 'WrongNodes'],
        ['none', { ...move, nodes: [] }, 'WrongNodes'],
      ]
    case 'pick':
      return [
        ['another node', { ...move, node: twist(move.node) }, 'WrongPath'],
        ['another place', { ...move, child: move.child ^ 1 }, 'WrongPath'],
        ['no place', { ...move, child: 31, op: move.op }, 'WrongPath'],
        ['one sibling more', { ...move, siblings: [...move.siblings, move.node] }, 'WrongPath'],
        ...(move.op ? opChanges(move, move.op) : []),
        [
          'another op',
          { ...move, op: move.op ? undefined : { leaf: '0x', path: [] } },
          'WrongLeaf',
        ],
      ]
    case 'enter':
      return [
        ['before', { ...move, before: twist(move.before) }, 'WrongState'],
        ['path', { ...move, path: [] }, 'WrongState'],
        ['after', { ...move, after: twist(move.after) }, 'WrongState'],
        ['header', { ...move, header: { ...move.header, ops: move.header.ops - 1 } }, 'WrongGraph'],
        ['leaves', { ...move, header: { ...move.header, leaves: Hex.zero } }, 'WrongGraph'],
        ['trace', { ...move, trace: twist(move.trace) }, 'WrongNodes'],
        ['nodes', { ...move, nodes: move.nodes.slice(1) }, 'WrongNodes'],
      ]
    case 'tensor':
      return [
        ['root', { ...move, root: twist(move.root) }, 'WrongNodes'],
        ['nodes', { ...move, nodes: [...move.nodes, move.root] }, 'WrongNodes'],
        ['bytes', { ...move, bytes: `${move.bytes}00` }, 'WrongBytes'],
      ]
    case 'leaf':
      return [
        ['bytes', { ...move, bytes: twist(move.bytes) }, 'WrongBytes'],
        ['more bytes', { ...move, bytes: `${move.bytes}00` }, 'WrongBytes'],
      ]
    case 'element':
      return [
        ['bytes', { ...move, bytes: twist(move.bytes) }, 'WrongBytes'],
        ['place', { ...move, place: 64 }, 'WrongPlace'],
      ]
    case 'accumulators':
      return [['more bytes', { ...move, bytes: `${move.bytes}00` }, 'WrongBytes']]
    case 'part':
      return [
        ['bytes', { ...move, bytes: twist(move.bytes) }, 'WrongBytes'],
        ['place', { ...move, part: 63 }, 'WrongPlace'],
      ]
    case 'prove-arithmetic':
      return [
        ['op', { ...move, op: twist(move.op) }, 'WrongLeaf'],
        ['accumulator', { ...move, accIn: twist(move.accIn) }, 'WrongBytes'],
        ['operands', { ...move, operands: twist(move.operands) }, 'WrongBytes'],
      ]
    case 'prove-slot':
      return [
        ['slot', { ...move, slot: { ...move.slot, leaf: twist(move.slot.leaf) } }, 'WrongPath'],
        ['root', { ...move, next: { ...move.next, root: twist(move.next.root) } }, 'WrongPath'],
        ['path', { ...move, next: { ...move.next, path: [] } }, 'WrongPath'],
      ]
    case 'operands':
    case 'dispute-after':
    case 'prove-read':
    case 'concede':
      return []
  }
}

function opChanges(
  move: Move.Of<'pick'>,
  op: NonNullable<Move.Of<'pick'>['op']>,
): readonly Change[] {
  return [
    ['leaf', { ...move, op: { ...op, leaf: `${op.leaf}00` } }, 'WrongPath'],
    ['path', { ...move, op: { ...op, path: [] } }, 'WrongPath'],
  ]
}

function turnsOf(claim: Claimed['claim'], { moves }: Played): Game['turns'] {
  let position = Position.first(claim)
  return moves.map((move) => {
    const turn = { position, move }
    const outcome = Game.play(claim, position, move)
    if (outcome.type === 'position') ({ position } = outcome)
    return turn
  })
}

function kindsOf({ turns }: Game): readonly string[] {
  return turns.map(({ move }) => move.type)
}

function codeOf(claim: Claimed['claim'], position: Position.Position, move: Move.Move): string {
  try {
    return Game.play(claim, position, move).type
  } catch (error) {
    return (error as MoveError.MoveError).code
  }
}

/** The op that adds up most terms. */
function longestChain({ graph }: TinyRun): number {
  const slots = graph.state.length + graph.batch.length
  const terms = graph.ops.map(({ op, inputs, dtype }) => {
    const input = graph.ops[inputs[0]! - slots]
    return op.kind === 'contract' && dtype === 'f32' ? Math.max(0, ...(input?.shape ?? [])) : 0
  })
  return slots + terms.indexOf(Math.max(...terms))
}
