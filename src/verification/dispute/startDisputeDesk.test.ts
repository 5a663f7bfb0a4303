import { beforeAll, describe, expect, test } from 'vitest'
import { disputeTable, domain } from '../../../test/disputeTable.ts'
import { type Claimed, claimRun } from '../../../test/exactDisputes.ts'
import { decoderTraining } from '../../../test/exactRuns.ts'
import { protocols } from '../../protocol/Exchange.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import * as Ply from '../../protocol/Ply.ts'
import type { Store } from '../../runtime/Store.ts'
import { challengerMove } from './challengerMove.ts'
import * as Game from './Game.ts'
import { playedSoFar, type Played } from './playDispute.ts'
import * as Position from '../../protocol/dispute/Position.ts'
import type { Prover } from './startProver.ts'
import * as Table from './Table.ts'
import { siblingsOf } from './tree.ts'

let honest: Claimed
let liar: Claimed

beforeAll(async () => {
  const run = await decoderTraining({ length: 3, steps: 4 })
  honest = await claimRun(run)
  const number = run.graph.state.length + run.graph.batch.length + 200
  liar = await claimRun(run, {
    fault: {
      value: (at) =>
        at.step === 2 && at.number === number
          ? at.bytes.map((byte, place) => (place === 3 ? byte ^ 128 : byte))
          : undefined,
    },
  })
})

const tableOf = (claimed: Claimed, clockSeconds = 3600) =>
  disputeTable({
    claim: claimed.claim,
    claimant: claimed.prover,
    challenger: honest.prover,
    clockSeconds,
  })
type World = ReturnType<typeof tableOf>

/** The chain takes up what both have signed, and a proof counts there. */
function expectConviction({ claim, claimant, challenger, dispute }: World, played: Played): void {
  const { outcome, newest, position } = played
  if (outcome.type !== 'won') throw new Error(JSON.stringify(outcome))
  const { ply, claimantSignature, challengerSignature } = newest!
  expect(ply.message.position).toBe(Position.hash(position))
  expect(ply.message.dispute).toBe(dispute.id)
  const verify = (signature: Hex.Hex, who: Identity.Identity) =>
    Ply.verifyBy(domain, { message: ply.message, signature }, who.address)
  verify(claimantSignature, claimant)
  verify(challengerSignature, challenger)
  const end = Game.play(claim, position, outcome.move)
  expect(end).toMatchObject({ type: 'end', winner: 'challenger' })
}

describe('playDispute', () => {
  test('convicts a claimant that plays along, with a position that both have signed', async () => {
    const world = tableOf(liar)
    await using desk = await world.open()
    const played = await world.drive(world.play())
    expectConviction(world, played)
    const theirs = await desk.newest(world.dispute.id)
    expect(theirs!.ply.message.number).toBe(played.newest!.ply.message.number - 1)
    expect(await playedSoFar(world.stores.challenger, world.dispute.id)).toEqual({
      newest: played.newest,
      history: played.history,
    })
    expect(await playedSoFar(world.stores.challenger, Hex.zero)).toBeUndefined()
    expect(played.history.map(({ type }) => type)).toEqual(
      'reveal enter reveal tensor operands'.split(' '),
    )
  })

  test('finds nothing against a true claim', async () => {
    const world = tableOf(honest)
    await using _ = await world.open()
    const { outcome } = await world.drive(world.play())
    expect(outcome).toEqual({ type: 'mistaken' })
  })

  test('goes through when every message comes twice, late, and over broken streams', async () => {
    const world = tableOf(liar)
    world.network.setFaults({ delayMs: [10, 400], repeatRate: 0.5, breakRate: 0.05 })
    await using _ = await world.open()
    expectConviction(world, await world.drive(world.play({ attempts: 10 })))
  })

  test('stops where the claimant stops answering, with what both have signed', async () => {
    const world = tableOf(liar)
    const stuck: Prover = { ...liar.prover, step: () => new Promise<never>(() => {}) }
    await using _ = await world.open({ prover: stuck })
    const { outcome, newest, position } = await world.drive(world.play({ attempts: 1 }))
    expect(outcome).toMatchObject({ type: 'stopped', code: 'Network.TimeoutError' })
    expect(outcome.type === 'stopped' && outcome.move?.type).toBe('pick')
    expect(newest!.ply.message.position).toBe(Position.hash(position))
    expect(position.turn).toBe('challenger')
  })

  test('stops where nobody answers, before anything is signed', async () => {
    const world = tableOf(liar)
    const { outcome, newest } = await world.drive(world.play({ attempts: 2 }))
    expect(outcome).toEqual({ type: 'stopped', code: 'Network.UnreachableError', move: undefined })
    expect(newest).toBeUndefined()
  })

  const lies: readonly (readonly [
    string,
    string,
    (answer: Table.Answer, world: World) => unknown,
  ])[] = [
    [
      'another ply',
      'Dispute.PlyError',
      ({ ply, ...rest }, { claimant }) => {
        const message = { ...ply!.message, position: Hex.zero }
        return { ...rest, ply: Ply.sign(domain, message, claimant) }
      },
    ],
    [
      'a clock that gains',
      'Dispute.PlyError',
      ({ ply, ...rest }, { claimant }) => {
        const message = { ...ply!.message, claimantSeconds: 4000 }
        return { ...rest, ply: Ply.sign(domain, message, claimant) }
      },
    ],
    [
      'our clock cut',
      'Dispute.PlyError',
      ({ ply, ...rest }, { claimant }) => {
        const message = { ...ply!.message, challengerSeconds: 1 }
        return { ...rest, ply: Ply.sign(domain, message, claimant) }
      },
    ],
    ['no ply', 'Dispute.PlyError', ({ move }) => ({ move })],
    [
      "somebody else's signature",
      'Protocol.SignatureError',
      ({ ply, ...rest }, { challenger }) => ({
        ...rest,
        ply: Ply.sign(domain, ply!.message, challenger),
      }),
    ],
    [
      'nodes of another tree',
      'Dispute.WrongNodes',
      (answer) => ({
        ...answer,
        move: { type: 'reveal', nodes: [Hex.zero, Hex.zero, Hex.zero, Hex.zero] },
      }),
    ],
    ['a concession', 'Dispute.PlyError', () => ({ move: { type: 'concede' } })],
    ['nonsense', 'Protocol.MalformedError', () => ({ move: 'what' })],
  ]
  test.each(lies)('does not sign %s', async (_, code, change) => {
    const world = tableOf(liar)
    const desk = await world.open()
    const first = await world.drive(world.ask({ dispute: world.dispute.id }))
    await desk[Symbol.asyncDispose]()
    if (first.type !== 'answer') throw new Error(first.type)
    const answer = change(first.answer, world)
    world.network.join(world.claimant.peerId).handle(protocols.dispute, async function* () {
      yield Json.toBytes({ type: 'answer', answer })
    })
    const { outcome, newest } = await world.drive(world.play({ attempts: 1 }))
    expect(outcome).toMatchObject({ type: 'stopped', code })
    expect(newest).toBeUndefined()
  })

  test('goes on after the challenger was killed', async () => {
    const world = tableOf(liar)
    await using _ = await world.open()
    let writes = 0
    const { challenger: store } = world.stores
    const write = store.write.bind(store)
    store.write = async (...args) => {
      await write(...args)
      if (++writes % 2 === 1) throw new Error('killed')
    }
    for (let life = 0; life < 9; life++)
      try {
        return expectConviction(world, await world.drive(world.play()))
      } catch (error) {
        expect((error as Error).message).toBe('killed')
      }
    throw new Error('It does not end.')
  })
})

describe('startDisputeDesk', () => {
  test('goes on after kill -9, with the answer that it had written down', async () => {
    for (let life = 1; life <= 4; life++) {
      const world = tableOf(liar)
      let writes = 0
      const dying: Store = {
        ...world.stores.claimant,
        async write(...args) {
          await world.stores.claimant.write(...args)
          if (++writes === life) world.network.crash(world.claimant.peerId)
        },
      }
      await world.open({ store: dying })
      const before = await world.drive(world.play({ attempts: 1 }))
      expect(before.outcome.type).toBe('stopped')
      expect(before.history).toHaveLength(life - 1)
      await using _ = await world.open()
      const after = await world.drive(world.play())
      expectConviction(world, after)
      expect(after.history.slice(0, life - 1)).toEqual(before.history)
    }
  })

  test('answers its challenger only, in a dispute that is open', async () => {
    const world = tableOf(honest)
    await using _ = await world.open()
    const request = { dispute: world.dispute.id }
    const stranger = world.network.join(Identity.from(new Uint8Array(32).fill(9)).peerId)
    const refused = { type: 'refused', reason: { code: 'Dispute.UnknownDisputeError' } }
    expect(await world.drive(world.ask(request, stranger))).toMatchObject(refused)
    expect(await world.drive(world.ask({ dispute: Hex.zero }))).toMatchObject(refused)
    await expect(world.drive(world.ask({ ...request, more: 1 }))).rejects.toMatchObject({
      code: 'Protocol.MalformedError',
    })
  })

  test('gives one answer to one move, and none to another in its place', async () => {
    const world = tableOf(liar)
    await using _ = await world.open()
    const send = (answer?: Table.Answer) =>
      world.drive(world.ask({ dispute: world.dispute.id, answer }))
    const first = await send()
    expect(await send()).toEqual(first)
    if (first.type !== 'answer') throw new Error(first.type)

    const { claim, challenger, dispute } = world
    const shown = first.answer.move
    const at = Game.play(claim, Position.first(claim), shown)
    if (at.type !== 'position') throw new Error(at.type)
    const move = await challengerMove(honest.prover, at.position, [shown])
    const clocks = { claimantSeconds: 3600, challengerSeconds: 3600 }
    const answerWith = (chosen: typeof move, changes: Partial<Ply.Ply> = {}): Table.Answer => {
      const to = Game.play(claim, at.position, chosen)
      if (to.type !== 'position') throw new Error(to.type)
      const reached = { dispute: dispute.id, number: 2, position: to.position, clocks }
      const { message } = Table.signPly(domain, challenger, reached)
      return { move: chosen, ply: Ply.sign(domain, { ...message, ...changes }, challenger) }
    }
    const code = async (answer: Table.Answer) => {
      const reply = await send(answer)
      return reply.type === 'refused' ? reply.reason.code : reply.type
    }
    const right = answerWith(move)
    expect(await code({ move })).toBe('Dispute.PlyError')
    expect(await code(answerWith(move, { challengerSeconds: 3601 }))).toBe('Dispute.PlyError')
    expect(await code(answerWith(move, { claimantSeconds: 3599 }))).toBe('Dispute.PlyError')
    expect(await code(answerWith(move, { number: 3 }))).toBe('Dispute.PlyError')
    expect(await code({ ...right, move: { type: 'dispute-after' } })).toBe('Dispute.WrongPhase')
    const second = await send(right)
    expect(second.type).toBe('answer')
    expect(await send(right)).toEqual(second)
    // Another pick in the place of the one that was answered.
    if (move.type !== 'pick' || shown.type !== 'reveal') throw new Error(move.type)
    const child = move.child ^ 1
    const nodes = shown.nodes.map(Hex.toBytes)
    const siblings = siblingsOf(nodes, child).map(Hex.from)
    const other = { ...move, child, node: shown.nodes[child]!, siblings }
    expect(await code(answerWith(other))).toBe('Dispute.PlyError')
  })

  test('does not let a slow challenger count less than it took', async () => {
    const world = tableOf(liar, 60)
    await using _ = await world.open()
    const played = world.play({ attempts: 1 })
    await world.drive(played)
    expect((await played).outcome.type).toBe('won')
    const late = tableOf(liar, 60)
    await using __ = await late.open()
    const first = await late.drive(late.ask({ dispute: late.dispute.id }))
    if (first.type !== 'answer') throw new Error(first.type)
    await late.clock.run(late.clock.now() + 50_000)
    const at = Game.play(late.claim, Position.first(late.claim), first.answer.move)
    if (at.type !== 'position') throw new Error(at.type)
    const move = await challengerMove(honest.prover, at.position, [first.answer.move])
    const to = Game.play(late.claim, at.position, move)
    if (to.type !== 'position') throw new Error(to.type)
    const reached = { dispute: late.dispute.id, number: 2, position: to.position }
    const send = (challengerSeconds: number) => {
      const clocks = { claimantSeconds: 60, challengerSeconds }
      const ply = Table.signPly(domain, late.challenger, { ...reached, clocks })
      return late.drive(late.ask({ dispute: late.dispute.id, answer: { move, ply } }))
    }
    expect((await send(30)).type).toBe('refused')
    expect((await send(10)).type).toBe('answer')
  })
})
