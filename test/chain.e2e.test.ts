/** The memory twin and the contracts on anvil, driven with the same random actions, agree after every one. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Action, Chain } from '../src/chain/Chain.ts'
import { startDevnet, type Devnet } from '../src/chain/devnet.ts'
import type * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Lease from '../src/protocol/Lease.ts'
import * as Voucher from '../src/protocol/Voucher.ts'
import { systemRandom } from '../src/runtime/systemRandom.ts'
import { type Side, startChainPair } from './chainPair.ts'

const delays = { withdrawalDelaySeconds: 100, unbondingDelaySeconds: 200 }
const runs = Number(process.env['WEFT_RUNS'] ?? 8)

let devnet: Devnet
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
})
afterAll(async () => {
  await devnet[Symbol.asyncDispose]()
})

describe('memoryChain and viemChain', () => {
  test('agree on every random sequence of actions', { timeout: 300_000 }, async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 45, size: 'max' }),
        async (steps) => {
          const pair = await startPair()
          for (const [index, { who, action, afterSeconds }] of steps.entries()) {
            const actions = {
              real: pair.actionOf(action, 'real'),
              twin: pair.actionOf(action, 'twin'),
            }
            const { real, twin } = await pair.send(who, actions, { afterSeconds })
            seen.add(`${action.type} ${real}`)
            expect(real, `step ${index}: ${action.type}`).toEqual(twin)
            expect(await pair.look('real'), `after step ${index}`).toEqual(await pair.look('twin'))
          }
        },
      ),
      { numRuns: runs, seed: 1, endOnFailure: runs > 50, examples: [[[...everyAction]]] },
    )
    if (process.env['WEFT_VERBOSE']) console.log([...seen].toSorted().join('\n'))
    // Every action must have gone through at least once, or the sequences prove little.
    const done = [...seen].filter((line) => line.endsWith(' done'))
    expect(done).toHaveLength(12)
    expect(seen.size).toBeGreaterThan(30)
  })
})

/** Parties by number: 0 and 1 buy, 2 and 3 provide, 4 is the court. */
const parties = 5
const party = fc.nat({ max: 3 })
const amount = fc.oneof(
  { weight: 8, arbitrary: fc.bigInt({ min: 1n, max: 60n }) },
  { weight: 1, arbitrary: fc.constantFrom(0n, 1n << 72n) },
)
const nonce = fc.constantFrom(1n, 1n, 1n, 2n)
/** Who signs: mostly who should. */
const signer = fc.oneof(
  { weight: 9, arbitrary: fc.constant('right') },
  { weight: 1, arbitrary: fc.constantFrom('wrong', 'malformed') },
)

const action = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant('mint'), to: party, amount }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('deposit'), buyer: party, amount }) },
  fc.record({ type: fc.constant('request-withdrawal'), amount }),
  fc.record({ type: fc.constant('withdraw') }),
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('open-lease'),
      buyer: fc.nat({ max: 1 }),
      provider: fc.integer({ min: 2, max: 3 }),
      nonce,
      amount: fc.bigInt({ min: 0n, max: 90n }),
      expirySeconds: fc.constantFrom(500, 500, 500, 500, 800, 30, 0, 366 * 86_400 + 1000),
      deadlineSeconds: fc.constantFrom(50, 50, 50, 50, 50, 50, -5),
      signer,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('claim'),
      provider: fc.integer({ min: 2, max: 3 }),
      claims: fc.array(
        fc.record({
          buyer: fc.nat({ max: 1 }),
          nonce,
          amount: fc.bigInt({ min: 0n, max: 60n }),
          signer,
        }),
        { maxLength: 3 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('close-lease'),
      buyer: fc.nat({ max: 1 }),
      provider: fc.integer({ min: 2, max: 3 }),
      nonce,
    }),
  },
  fc.record({ type: fc.constant('withdraw-earned') }),
  fc.record({
    type: fc.constant('register'),
    peerId: fc.constantFrom('peer', 'peer', 'peer', 'peer', '', 'x'.repeat(129)),
    offerUri: fc.constantFrom('', 'weft:é', 'weft:é', 'é'.repeat(257)),
    amount,
  }),
  fc.record({ type: fc.constant('request-unbond'), amount }),
  fc.record({ type: fc.constant('unbond') }),
  fc.record({
    type: fc.constant('slash'),
    provider: fc.integer({ min: 2, max: 3 }),
    beneficiary: fc.constantFrom(0, 1, -1),
    amount,
  }),
)
type Drawn = typeof action extends fc.Arbitrary<infer drawn> ? drawn : never

/** Mostly the party whose action it is; now and then any other. */
const step = fc
  .record({
    action,
    anybody: fc.option(fc.nat({ max: parties - 1 }), { freq: 5 }),
    second: fc.boolean(),
    afterSeconds: fc.constantFrom(1, 1, 1, 1, 1, 5, 60, 120),
  })
  .map(({ action: drawn, anybody, second, afterSeconds }) => {
    const index = second ? 1 : 0
    return { action: drawn, who: anybody ?? actors[drawn.type][index]!, afterSeconds }
  })

type Step = typeof step extends fc.Arbitrary<infer drawn> ? drawn : never

const actors: Readonly<Record<Drawn['type'], readonly [number, number]>> = {
  mint: [0, 1],
  deposit: [0, 1],
  'request-withdrawal': [0, 1],
  withdraw: [0, 1],
  'open-lease': [2, 3],
  claim: [2, 3],
  'close-lease': [2, 3],
  'withdraw-earned': [2, 3],
  register: [2, 3],
  'request-unbond': [2, 3],
  unbond: [2, 3],
  slash: [4, 4],
}

/** A history in which every action goes through, so that no run is without one. */
const everyAction: readonly Step[] = (
  [
    [0, 1, { type: 'mint', to: 0, amount: 5n }],
    [1, 1, { type: 'deposit', buyer: 0, amount: 5n }],
    [2, 1, { ...leaseOf(1n), type: 'open-lease', amount: 50n, ...signed(500) }],
    [2, 1, { ...leaseOf(1n), type: 'open-lease', amount: 60n, ...signed(600) }],
    [
      3,
      1,
      { type: 'claim', provider: 2, claims: [{ ...leaseOf(1n), amount: 20n, signer: 'right' }] },
    ],
    [2, 1, { ...leaseOf(1n), type: 'close-lease' }],
    [2, 1, { type: 'withdraw-earned' }],
    [2, 1, { ...leaseOf(2n), type: 'open-lease', amount: 50n, ...signed(30) }],
    [0, 1, { type: 'request-withdrawal', amount: 10n }],
    [2, 1, { type: 'register', peerId: 'peer', offerUri: 'weft:é', amount: 50n }],
    [2, 1, { type: 'request-unbond', amount: 20n }],
    [4, 1, { type: 'slash', provider: 2, beneficiary: 1, amount: 5n }],
    [0, 120, { type: 'withdraw' }],
    [1, 1, { ...leaseOf(2n), type: 'close-lease' }],
    [2, 120, { type: 'unbond' }],
  ] as const
).map(([who, afterSeconds, drawn]) => ({ who, afterSeconds, action: drawn as Drawn }))

function leaseOf(number: bigint) {
  return { buyer: 0, provider: 2, nonce: number } as const
}

function signed(expirySeconds: number) {
  return { expirySeconds, deadlineSeconds: 50, signer: 'right' } as const
}

/** Fresh contracts and a fresh twin with the same parties and the same time. */
async function startPair() {
  const random = systemRandom()
  const identities = Array.from({ length: parties }, () => Identity.from(random.bytes(32)))
  const court = identities[4]!.address
  const pair = await startChainPair(devnet, {
    identities,
    contracts: { court, ...delays },
    memory: { court, ...delays },
    async join(chain) {
      if (chain.account === court) return
      await chain.send({ type: 'mint', to: chain.account, amountMicroUsd: 400n })
      await chain.send({ type: 'deposit', buyer: chain.account, amountMicroUsd: 200n })
    },
  })
  const { sides } = pair

  return {
    send: pair.send,
    actionOf: (drawn: Drawn, side: Side) =>
      actionOf(drawn, sides[side], identities, pair.timestampSeconds()),
    /** All that the port shows of every party. */
    async look(side: Side) {
      const chain = sides[side]
      const keys = [1n, 2n].flatMap((nonceOf) =>
        [0, 1].flatMap((b) =>
          [2, 3].map((p) => ({
            buyer: identities[b]!.address,
            provider: identities[p]!.address,
            nonce: nonceOf,
          })),
        ),
      )
      return {
        accounts: await Promise.all(
          identities.map(async ({ address }) => ({
            balance: await chain.balance(address),
            deposit: await chain.deposit(address),
            earned: await chain.earned(address),
            registration: await chain.registration(address),
          })),
        ),
        leases: await Promise.all(keys.map((key) => chain.lease(key))),
        vault: await chain.balance(chain.domain.vault),
        registry: await chain.balance(chain.parameters.registry),
      }
    },
  }
}

/** The action that was drawn, with the addresses and signatures of one side. */
function actionOf(
  drawn: Drawn,
  chain: Chain,
  identities: readonly Identity.Identity[],
  timestampSeconds: number,
): Action {
  const at = (index: number): Hex.Address =>
    index < 0 ? chain.parameters.registry : identities[index]!.address
  const keyOf = (drawnKey: { buyer: number; provider: number; nonce: bigint }): Lease.Key => ({
    buyer: at(drawnKey.buyer),
    provider: at(drawnKey.provider),
    nonce: drawnKey.nonce,
  })
  const sign = (
    { buyer, signer: how }: { buyer: number; signer: string },
    by: (key: Identity.Identity) => Hex.Hex,
  ): Hex.Hex => {
    const signature = by(identities[how === 'wrong' ? 3 : buyer]!)
    return how === 'malformed' ? `0x${signature.slice(2, -2)}00` : signature
  }
  switch (drawn.type) {
    case 'mint':
      return { type: drawn.type, to: at(drawn.to), amountMicroUsd: drawn.amount }
    case 'deposit':
      return { type: drawn.type, buyer: at(drawn.buyer), amountMicroUsd: drawn.amount }
    case 'open-lease': {
      const lease = {
        ...keyOf(drawn),
        totalMicroUsd: drawn.amount,
        expirySeconds: timestampSeconds + drawn.expirySeconds,
        deadlineSeconds: timestampSeconds + drawn.deadlineSeconds,
        terms: `0x${'7e'.repeat(32)}` as Hex.Hex,
      }
      const { domain } = chain
      const signature = sign(drawn, (key) => Lease.sign(domain, lease, key).signature)
      return { type: drawn.type, lease, signature }
    }
    case 'claim': {
      const claims = drawn.claims.map((entry) => {
        const { buyer, nonce: number } = keyOf({ ...entry, provider: drawn.provider })
        const lease = Lease.id(keyOf({ ...entry, provider: drawn.provider }))
        const voucher = { lease, cumulativeMicroUsd: entry.amount }
        const signature = sign(entry, (key) => Voucher.sign(chain.domain, voucher, key).signature)
        return { buyer, nonce: number, cumulativeMicroUsd: entry.amount, signature }
      })
      return { type: drawn.type, provider: at(drawn.provider), claims }
    }
    case 'close-lease':
      return { type: drawn.type, key: keyOf(drawn) }
    case 'register': {
      const { peerId, offerUri, amount: stakeMicroUsd } = drawn
      return { type: drawn.type, peerId, offerUri, stakeMicroUsd }
    }
    case 'slash': {
      const [provider, beneficiary] = [at(drawn.provider), at(drawn.beneficiary)]
      return { type: drawn.type, provider, beneficiary, amountMicroUsd: drawn.amount }
    }
    case 'request-withdrawal':
    case 'request-unbond':
      return { type: drawn.type, amountMicroUsd: drawn.amount }
    case 'withdraw':
    case 'withdraw-earned':
    case 'unbond':
      return { type: drawn.type }
  }
}
