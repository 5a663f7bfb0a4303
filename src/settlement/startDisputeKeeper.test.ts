import { beforeAll, describe, expect, test } from 'vitest'
import { disputeWorld } from '../../test/disputeWorld.ts'
import { type Claimed, claimRun } from '../../test/exactDisputes.ts'
import { decoderTraining, generation } from '../../test/exactRuns.ts'
import * as DisputeKey from '../protocol/dispute/DisputeKey.ts'
import * as Position from '../protocol/dispute/Position.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Ply from '../protocol/Ply.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import * as Game from '../verification/dispute/Game.ts'
import { playerOf } from '../verification/dispute/playerOf.ts'

let honest: Claimed
let liar: Claimed

beforeAll(async () => {
  const run = await generation({ steps: 3 })
  honest = await claimRun(run)
  const cache = run.graph.state.findIndex(({ name }) => name.startsWith('cache'))
  liar = await claimRun(run, {
    fault: {
      state: ({ step, after }) =>
        after.map((bytes, slot) =>
          step === 1 && slot === cache
            ? bytes.map((byte, at) => byte ^ (at === 3 ? 64 : 0))
            : bytes,
        ),
    },
  })
})

const won = {
  claimant: [60n, 0n],
  challenger: [100n + 32n + 40n, 0n],
  stakeMicroUsd: 10n,
}

describe('startDisputeKeeper', () => {
  test('carries both sides of a dispute to the proof, and sees to the money', async () => {
    const world = await disputeWorld({ claimed: liar })
    await using _ = await world.keep('claimant', liar.prover)
    await using keeper = await world.keep('challenger', honest.prover)
    await keeper.challenge(world.claim)
    await keeper.challenge(world.claim)
    await world.advance(120_000)
    expect(await world.state()).toMatchObject({ state: 'challenger-won' })
    expect(await world.money()).toEqual(won)
    const told = (by: string) =>
      world.reports.filter((each) => each.by === by).map(({ what, detail }) => detail ?? what)
    expect(told('challenger')).toEqual([
      'challenged',
      'pick',
      'dispute-after',
      'pick',
      'prove-slot',
      'slashed',
      'burned',
      'won',
    ])
    expect(told('claimant')).toEqual(['challenged', 'reveal', 'enter', 'reveal', 'lost'])
    expect(await keeper.ours()).toMatchObject([{ id: world.id, done: true }])
  })

  test('lets a baseless challenge run into its clock, and takes the bond back', async () => {
    const world = await disputeWorld({ claimed: honest })
    await using _ = await world.keep('claimant', honest.prover)
    const { message, signature } = world.claim
    const challenge = { type: 'challenge', claim: message, signature } as const
    await world.drive(world.accounts.challenger.send(challenge))
    await world.advance(890_000)
    expect(await world.state()).toMatchObject({ state: 'open', turn: 'challenger', number: 1 })
    await world.advance(30_000)
    expect(await world.state()).toMatchObject({ state: 'claimant-won' })
    await world.advance(400_000)
    expect(await world.money()).toEqual({
      claimant: [140n, 0n],
      challenger: [60n, 0n],
      stakeMicroUsd: 50n,
    })
  })

  test('gives in where it has been mistaken', async () => {
    const world = await disputeWorld({ claimed: honest })
    await using _ = await world.keep('claimant', honest.prover)
    await using keeper = await world.keep('challenger', honest.prover)
    await keeper.challenge(world.claim)
    await world.advance(120_000)
    expect(await world.state()).toMatchObject({ state: 'claimant-won' })
    expect(world.reports.map(({ detail }) => detail)).toContain('concede')
  })

  test('ends a dispute whose claimant stalls', async () => {
    const world = await disputeWorld({ claimed: liar })
    await using keeper = await world.keep('challenger', honest.prover)
    await keeper.challenge(world.claim)
    await world.advance(890_000)
    expect(await world.state()).toMatchObject({ state: 'open' })
    await world.advance(60_000)
    expect(await world.state()).toMatchObject({ state: 'challenger-won' })
    expect(await world.money()).toEqual(won)
  })

  test('brings what was reached off the chain first, with what was shown there', async () => {
    const world = await disputeWorld({ claimed: liar })
    const { message } = world.claim
    const claimant = playerOf(message, liar.prover)
    const challenger = playerOf(message, honest.prover)
    let seat: { position: Position.Position; shown: never[] | readonly never[] } | undefined
    /** Three moves that both have signed. */
    const read = async () => {
      let at = { position: Position.first(message), shown: [] as never[] }
      for (let number = 1; number <= 3; number++) {
        const { turn } = at.position
        const move = await (turn === 'claimant' ? claimant : challenger).move(at)
        const outcome = Game.play(message, at.position, move)
        if (outcome.type !== 'position') throw new Error('It ends.')
        const shown = turn === 'claimant' ? [...at.shown, move as never] : at.shown
        at = { position: outcome.position, shown }
      }
      seat = at
      const ply: Ply.Ply = {
        dispute: world.id,
        number: 3,
        position: Position.hash(at.position),
        turn: Position.parties.indexOf(at.position.turn),
        claimantSeconds: 700,
        challengerSeconds: 800,
      }
      const signed = (role: Position.Party) =>
        Ply.sign(world.chain.domain, ply, world.identities[role]).signature
      const signatures = {
        claimantSignature: signed('claimant'),
        challengerSignature: signed('challenger'),
      }
      return { newest: { position: at.position, ply, ...signatures }, shown: at.shown }
    }
    let plays = 0
    const offChain = { read, play: () => Promise.resolve(void plays++) }
    const unheard = { read: () => Promise.resolve(undefined) }
    await using _ = await world.keep('claimant', liar.prover, { offChain: unheard })
    await using keeper = await world.keep('challenger', honest.prover, { offChain })
    await keeper.challenge(world.claim)
    await world.advance(120_000)
    expect(plays).toBe(1)
    expect(seat).toBeDefined()
    expect(await world.state()).toMatchObject({ state: 'challenger-won' })
    expect(world.reports.filter(({ by }) => by === 'challenger').map(({ what }) => what)).toEqual([
      'challenged',
      'adopted',
      'moved',
      'moved',
      'moved',
      'slashed',
      'burned',
      'won',
    ])
    expect(await world.money()).toEqual(won)
  })

  test('waits for the challenger off the chain while it plays there, but not for long', async () => {
    const world = await disputeWorld({ claimed: liar })
    const none = { read: () => Promise.resolve(undefined) }
    await using _ = await world.keep('claimant', liar.prover, { offChain: none })
    const { message, signature } = world.claim
    const challenge = { type: 'challenge', claim: message, signature } as const
    await world.drive(world.accounts.challenger.send(challenge))
    await world.advance(50_000)
    expect(await world.state()).toMatchObject({ number: 0 })
    await world.advance(20_000)
    expect(await world.state()).toMatchObject({ number: 1 })
  })

  test('stops playing off the chain when the claimant goes on on it', async () => {
    const world = await disputeWorld({ claimed: liar })
    let reason: unknown
    const offChain = {
      read: () => Promise.resolve(undefined),
      play: (_: unknown, { signal }: { signal: AbortSignal }) =>
        new Promise<void>((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            reject(signal.reason as Error)
          })
        }),
    }
    await using keeper = await world.keep('challenger', honest.prover, { offChain })
    await keeper.challenge(world.claim)
    await world.advance(20_000)
    expect(await world.state()).toMatchObject({ state: 'open', number: 0 })
    await using _ = await world.keep('claimant', liar.prover)
    await world.advance(120_000)
    expect(String(reason)).toContain('goes on on the chain')
    expect(await world.state()).toMatchObject({ state: 'challenger-won' })
  })

  test('attends to every dispute, however many there are', async () => {
    const world = await disputeWorld({ claimed: honest })
    const { message, signature } = world.claim
    const accounts = Array.from({ length: 5 }, (_, at) => `0x${'ab'.repeat(19)}0${at}` as const)
    for (const account of accounts) {
      world.chain.mint(account, 100n)
      const other = world.chain.connect(account)
      await world.drive(other.send({ type: 'dispute-deposit', account, amountMicroUsd: 100n }))
      await world.drive(other.send({ type: 'challenge', claim: message, signature }))
    }
    await using _ = await world.keep('claimant', honest.prover, { concurrency: 2 })
    await world.advance(60_000)
    const { claim } = world.key
    const states = accounts.map((challenger) =>
      world.accounts.claimant.dispute(DisputeKey.id({ claim, challenger })),
    )
    for (const state of await Promise.all(states)) expect(state).toMatchObject({ number: 1 })
  })

  test('moves on the chain while others let it wait off the chain', async () => {
    const world = await disputeWorld({ claimed: liar })
    const other = { ...world.claim.message, job: `0x${'0b'.repeat(32)}` as const }
    const second = ExactClaim.sign(world.chain.domain, other, world.identities.claimant)
    const played: string[] = []
    const stalling = {
      read: () => Promise.resolve(undefined),
      play: ({ id }: { id: string }, { signal }: { signal: AbortSignal }) =>
        new Promise<void>((_resolve, reject) => {
          played.push(id)
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    }
    const options = { offChain: stalling, concurrency: 1 }
    await using keeper = await world.keep('challenger', honest.prover, options)
    await keeper.challenge(world.claim)
    await keeper.challenge(second)
    await world.advance(20_000)
    expect(await keeper.ours()).toHaveLength(2)
    expect(played).toHaveLength(1)
    const message = played.includes(world.id) ? other : world.claim.message
    const challenger = world.identities.challenger.address
    const id = DisputeKey.id({ claim: ExactClaim.hash(world.chain.domain, message), challenger })
    const position = Position.first(message)
    const move = await playerOf(message, liar.prover).move({ position, shown: [] })
    const { claimant } = world.accounts
    const action = { type: 'dispute-move', claim: message, challenger, position, move } as const
    await world.drive(claimant.send(action))
    await world.advance(20_000)
    expect(played).toHaveLength(1)
    expect(await claimant.dispute(id)).toMatchObject({ number: 2, turn: 'claimant' })
  })

  test('challenges as soon as it has credit, and gives up when the window is over', async () => {
    const world = await disputeWorld({ claimed: liar })
    const { challenger } = world.accounts
    await world.drive(challenger.send({ type: 'dispute-request-withdrawal', amountMicroUsd: 90n }))
    await world.advance(3_700_000)
    await world.drive(challenger.send({ type: 'dispute-withdraw' }))
    const later = {
      ...world.claim.message,
      challengeUntil: Math.floor(world.clock.now() / 1000) + 600,
    }
    const claim = ExactClaim.sign(world.chain.domain, later, world.identities.claimant)
    await using keeper = await world.keep('challenger', honest.prover)
    await keeper.challenge(claim)
    await keeper.challenge(world.claim)
    await world.advance(10_000)
    expect(await keeper.ours()).toEqual([])
    const account = world.identities.challenger.address
    await world.drive(challenger.send({ type: 'dispute-deposit', account, amountMicroUsd: 60n }))
    await world.advance(10_000)
    expect(await keeper.ours()).toHaveLength(1)
    expect(world.reports.map(({ what }) => what)).toEqual(['challenged'])
  })

  test('closes a dispute whose claim fell in another, and takes back what was asked back', async () => {
    const world = await disputeWorld({ claimed: liar })
    const { message, signature } = world.claim
    const account = '0x00000000000000000000000000000000000000ab'
    world.chain.mint(account, 100n)
    const other = world.chain.connect(account)
    await world.drive(other.send({ type: 'dispute-deposit', account, amountMicroUsd: 100n }))
    await world.drive(other.send({ type: 'challenge', claim: message, signature }))
    const { challenger, claimant } = world.accounts
    await world.drive(challenger.send({ type: 'challenge', claim: message, signature }))
    const position = Position.first(message)
    const concede = { position, move: { type: 'concede' } } as const
    const lost = { type: 'dispute-move', claim: message, challenger: account, ...concede } as const
    await world.drive(claimant.send(lost))
    await world.drive(challenger.send({ type: 'dispute-request-withdrawal', amountMicroUsd: 30n }))
    await using _ = await world.keep('challenger', honest.prover)
    await world.advance(10_000)
    expect(await world.state()).toMatchObject({ state: 'closed' })
    await world.advance(3_700_000)
    expect((await world.money()).challenger).toEqual([70n, 0n])
  })

  test('says that it lost track where the run it knows is another', async () => {
    const world = await disputeWorld({ claimed: liar })
    const other = await claimRun(await decoderTraining({ length: 3 }))
    const warnings: unknown[] = []
    const warn = ({ code }: Readonly<Record<string, unknown>>) => void warnings.push(code)
    await using _ = await world.keep('claimant', liar.prover)
    await using keeper = await world.keep('challenger', other.prover, {
      logger: { ...silentLogger(), warn },
    })
    await keeper.challenge(world.claim)
    await world.advance(30_000)
    expect(warnings).toContain('Dispute.LostTrackError')
    expect(await world.state()).toMatchObject({ state: 'open', turn: 'challenger' })
  })
})

describe('a dispute kept by parties that die', () => {
  test.each([1, 2, 3, 4, 5, 23])(
    'ends as it must through crashes, rollbacks and outages: seed %i',
    async (seed) => {
      const world = await disputeWorld({ claimed: liar, seed })
      const { random, chain } = world
      const provers = { claimant: liar.prover, challenger: honest.prover }
      const keepers = {
        claimant: await world.keep('claimant', provers.claimant),
        challenger: await world.keep('challenger', provers.challenger),
      }
      await keepers.challenger.challenge(world.claim)
      for (let round = 0; round < 80; round++) {
        await world.advance(Math.floor(random.next() * 4_000))
        const chance = random.next()
        const role = random.next() < 0.5 ? 'claimant' : 'challenger'
        if (chance < 0.3) {
          // What was in flight is lost; only the journal is left.
          const old = keepers[role][Symbol.asyncDispose]()
          keepers[role] = await world.keep(role, provers[role])
          await world.drive(old)
        } else if (chance < 0.4) chain.rollback(1 + Math.floor(random.next() * 3))
        else if (chance < 0.5) {
          chain.setAvailable(false)
          await world.advance(5_000)
          chain.setAvailable(true)
        }
      }
      await world.advance(60_000)
      expect(await world.state()).toMatchObject({ state: 'challenger-won' })
      expect(await world.money()).toEqual(won)
      const { creditMicroUsd, disputesMicroUsd } = chain.totals()
      expect(disputesMicroUsd).toBe(creditMicroUsd)
      for (const keeper of Object.values(keepers)) await keeper[Symbol.asyncDispose]()
    },
  )
})
