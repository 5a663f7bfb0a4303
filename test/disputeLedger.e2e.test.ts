/** The money and the clocks of disputes: the memory twin and the contract, driven with the same random actions. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Action, Chain } from '../src/chain/Chain.ts'
import { type Devnet, startDevnet } from '../src/chain/devnet.ts'
import * as DisputeKey from '../src/protocol/dispute/DisputeKey.ts'
import type * as Move from '../src/protocol/dispute/Move.ts'
import * as Position from '../src/protocol/dispute/Position.ts'
import type * as Domain from '../src/protocol/Domain.ts'
import * as ExactClaim from '../src/protocol/ExactClaim.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Ply from '../src/protocol/Ply.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'
import { claimantMove } from '../src/verification/dispute/claimantMove.ts'
import * as Game from '../src/verification/dispute/Game.ts'
import { type Side, startChainPair } from './chainPair.ts'
import { type Claimed, claimRun } from './exactDisputes.ts'
import { generation } from './exactRuns.ts'

const disputes = { clockSeconds: 50, windowSeconds: 300, withdrawalDelaySeconds: 400 }
const runs = Number(process.env['WEFT_RUNS'] ?? 6)

let devnet: Devnet
let claimed: Claimed
/** The first move of a dispute, where it begins, and where it leads. */
let opening: { first: Position.Position; move: Move.Move; second: Position.Position }

beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
  claimed = await claimRun(await generation({ steps: 3 }))
  const first = Position.first(claimed.claim)
  const move = await claimantMove(claimed.prover, first)
  const outcome = Game.play(claimed.claim, first, move)
  if (outcome.type === 'end') throw new Error('It ends at once.')
  opening = { first, move, second: outcome.position }
})
afterAll(() => devnet[Symbol.asyncDispose]())

describe('disputes of memoryChain and viemChain', () => {
  test('agree on every random sequence of actions', { timeout: 300_000 }, async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 40, size: 'max' }),
        async (steps) => {
          const pair = await startPair()
          for (const [index, { who, action, afterSeconds }] of steps.entries()) {
            const actions = {
              real: pair.actionOf(action, 'real'),
              twin: pair.actionOf(action, 'twin'),
            }
            const { real, twin } = await pair.send(who, actions, { afterSeconds })
            seen.add(`${action.type} ${real}`)
            expect(real, `step ${index}: ${JSON.stringify(action, stringly)}`).toEqual(twin)
            expect(await pair.look('real'), `after step ${index}`).toEqual(await pair.look('twin'))
          }
        },
      ),
      { numRuns: runs, seed: 1, endOnFailure: runs > 50, examples: [[[...everyAction]]] },
    )
    const done = [...seen].filter((line) => line.endsWith(' done'))
    expect(done).toHaveLength(12)
    expect(seen.size).toBeGreaterThan(25)
  })
})

/** Parties by number: 0 claims, 1 and 2 challenge, 3 does neither. */
const amount = fc.oneof(
  { weight: 8, arbitrary: fc.bigInt({ min: 1n, max: 60n }) },
  { weight: 1, arbitrary: fc.constantFrom(0n, 1n << 72n) },
)
const about = { claim: fc.nat({ max: 1 }), challenger: fc.constantFrom(1, 1, 2) }
const of = <type extends string>(type: type, weight = 1) => ({
  weight,
  arbitrary: fc.record({ type: fc.constant(type), ...about }),
})
const action = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('dispute-deposit'), to: fc.nat({ max: 3 }), amount }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('dispute-request-withdrawal'), amount }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('dispute-withdraw') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('register'), amount }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('challenge'),
      claim: about.claim,
      signer: fc.constantFrom(0, 0, 0, 0, 3),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('dispute-move'),
      ...about,
      made: fc.constantFrom('opening', 'opening', 'concede', 'elsewhere'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('dispute-adopt'),
      ...about,
      number: fc.constantFrom(1, 3, 7),
      seconds: fc.constantFrom(20, 50, 51),
      signer: fc.constantFrom(0, 0, 0, 3),
    }),
  },
  of('dispute-timeout', 2),
  of('dispute-close'),
  of('release-claim'),
  of('slash-claimant'),
  of('burn-bond'),
)
type Drawn = typeof action extends fc.Arbitrary<infer drawn> ? drawn : never

const step = fc
  .record({
    action,
    anybody: fc.option(fc.nat({ max: 3 }), { freq: 6 }),
    afterSeconds: fc.constantFrom(1, 1, 1, 1, 1, 30, 60, 300),
  })
  .map(({ action: drawn, anybody, afterSeconds }) => ({
    action: drawn,
    who: anybody ?? actorOf(drawn),
    afterSeconds,
  }))
type Step = typeof step extends fc.Arbitrary<infer drawn> ? drawn : never

/** Mostly whose action it is. */
function actorOf(drawn: Drawn): number {
  if (drawn.type === 'register') return 0
  if (drawn.type === 'challenge') return 1 + drawn.claim
  if (drawn.type === 'dispute-move') return drawn.made === 'opening' ? 0 : drawn.challenger
  return 'challenger' in drawn ? drawn.challenger : 1
}

/** A history in which every action goes through. */
const everyAction: readonly Step[] = (
  [
    [0, 1, { type: 'register', amount: 60n }],
    [1, 1, { type: 'dispute-deposit', to: 1, amount: 20n }],
    [1, 1, { type: 'challenge', claim: 0, signer: 0 }],
    [2, 1, { type: 'challenge', claim: 0, signer: 0 }],
    [1, 1, { type: 'challenge', claim: 1, signer: 0 }],
    [0, 1, { type: 'dispute-move', claim: 0, challenger: 1, made: 'opening' }],
    [3, 1, { type: 'dispute-adopt', claim: 1, challenger: 1, number: 3, seconds: 50, signer: 0 }],
    [2, 60, { type: 'dispute-timeout', claim: 0, challenger: 2 }],
    [1, 1, { type: 'slash-claimant', claim: 0, challenger: 2 }],
    [3, 1, { type: 'burn-bond', claim: 0, challenger: 1 }],
    [3, 1, { type: 'dispute-close', claim: 0, challenger: 1 }],
    [3, 60, { type: 'dispute-timeout', claim: 1, challenger: 1 }],
    [1, 1, { type: 'dispute-request-withdrawal', amount: 10n }],
    [3, 300, { type: 'release-claim', claim: 1, challenger: 1 }],
    [1, 300, { type: 'dispute-withdraw' }],
  ] as const
).map(([who, afterSeconds, drawn]) => ({ who, afterSeconds, action: drawn as Drawn }))

/** Fresh contracts and a fresh twin with the same parties and the same time; each has a hundred of credit. */
async function startPair() {
  const random = systemRandom()
  const identities = Array.from({ length: 4 }, () => Identity.from(random.bytes(32)))
  const { clockSeconds, windowSeconds, withdrawalDelaySeconds } = disputes
  const pair = await startChainPair(devnet, {
    identities,
    contracts: { clockSeconds, evidenceWindowSeconds: windowSeconds + 2 * clockSeconds },
    memory: { disputes },
    game: Game.play,
    async join(chain) {
      const { account } = chain
      await chain.send({ type: 'mint', to: account, amountMicroUsd: 300n })
      await chain.send({ type: 'dispute-deposit', account, amountMicroUsd: 100n })
    },
  })
  const { sides } = pair
  expect(sides.real.parameters.disputes).toMatchObject({ windowSeconds, withdrawalDelaySeconds })
  const messages = [40n, 7n].map((bond) => ({
    ...claimed.claim,
    claimant: identities[0]!.address,
    bond,
    challengeUntil: pair.timestampSeconds() + 300,
  }))

  return {
    send: pair.send,
    actionOf: (drawn: Drawn, side: Side) => actionOf(drawn, sides[side], { identities, messages }),
    async look(side: Side) {
      const chain = sides[side]
      const keys = messages.flatMap((message) =>
        [1, 2].map((who) => ({
          claim: ExactClaim.hash(chain.domain, message),
          challenger: identities[who]!.address,
        })),
      )
      return {
        credits: await Promise.all(identities.map(({ address }) => chain.credit(address))),
        balances: await Promise.all(identities.map(({ address }) => chain.balance(address))),
        claims: await Promise.all(messages.map((message) => chain.exactClaim(message))),
        disputes: await Promise.all(keys.map((key) => chain.dispute(DisputeKey.id(key)))),
        stake: await chain.registration(identities[0]!.address),
        held: await chain.balance(chain.parameters.disputes.address),
      }
    },
  }
}

type Cast = {
  readonly identities: readonly Identity.Identity[]
  readonly messages: readonly ExactClaim.ExactClaim[]
}

/** The action that was drawn, with the addresses and signatures of one side. */
function actionOf(drawn: Drawn, { domain }: Chain, { identities, messages }: Cast): Action {
  const at = (index: number) => identities[index]!.address
  switch (drawn.type) {
    case 'dispute-deposit':
      return { type: drawn.type, account: at(drawn.to), amountMicroUsd: drawn.amount }
    case 'dispute-request-withdrawal':
      return { type: drawn.type, amountMicroUsd: drawn.amount }
    case 'dispute-withdraw':
      return { type: drawn.type }
    case 'register':
      return { type: drawn.type, peerId: 'peer', offerUri: '', stakeMicroUsd: drawn.amount }
    case 'challenge': {
      const claim = messages[drawn.claim]!
      const { signature } = ExactClaim.sign(domain, claim, identities[drawn.signer]!)
      return { type: drawn.type, claim, signature }
    }
    case 'dispute-move':
    case 'dispute-adopt':
    case 'dispute-timeout':
    case 'dispute-close':
    case 'release-claim':
    case 'slash-claimant':
    case 'burn-bond':
      return aboutDispute(drawn, domain, { identities, messages })
  }
}

/** The same of actions in a dispute. */
function aboutDispute(
  drawn: Extract<Drawn, { challenger: number }>,
  domain: Domain.Domain,
  { identities, messages }: Cast,
): Action {
  const at = (index: number) => identities[index]!.address
  const claim = messages[drawn.claim]!
  const challenger = at(drawn.challenger)
  const key = { claim: ExactClaim.hash(domain, claim), challenger }
  switch (drawn.type) {
    case 'dispute-move': {
      const { first, move, second } = opening
      const position = drawn.made === 'elsewhere' ? second : first
      const made: Move.Move = drawn.made === 'concede' ? { type: 'concede' } : move
      return { type: drawn.type, claim, challenger, position, move: made }
    }
    case 'dispute-adopt': {
      const position = opening.second
      const ply: Ply.Ply = {
        dispute: DisputeKey.id(key),
        number: drawn.number,
        position: Position.hash(position),
        turn: 1,
        claimantSeconds: drawn.seconds,
        challengerSeconds: 30,
      }
      const signed = (who: number) => Ply.sign(domain, ply, identities[who]!).signature
      const [claimantSignature, challengerSignature] = [
        signed(drawn.signer),
        signed(drawn.challenger),
      ]
      return { type: drawn.type, key, position, ply, claimantSignature, challengerSignature }
    }
    case 'dispute-timeout':
    case 'dispute-close':
      return { type: drawn.type, key }
    case 'release-claim':
      return { type: drawn.type, claim }
    case 'slash-claimant':
      return { type: drawn.type, claim, challenger }
    case 'burn-bond':
      return { type: drawn.type, claim: key.claim }
  }
}

function stringly(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
