import { describe, expect, test } from 'vitest'
import { type Paying, trainingWorld, type TrainingWorld } from '../../../test/trainingWorld.ts'
import { memoryChain, type MemoryChain } from '../../chain/memory.ts'
import type { Run } from '../../exact/train/startRun.ts'
import type * as Hex from '../../protocol/Hex.ts'
import { startSettlement } from '../../settlement/startSettlement.ts'
import { startEarnings } from './startEarnings.ts'
import { type Paymaster, startPaymaster } from './startPaymaster.ts'

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const

describe('startPaymaster and startEarnings', () => {
  test('pay on the chain what the log says, to everyone but the liar, and not a cent more', async () => {
    const money = purse(1_000n)
    const order = { auditMicro: 1_000_000, rounds: 5 }
    const liar = { number: 2, spoil }
    await using world = await trainingWorld({ workers: 4, order, liar, pay: money.pay })
    await world.advance(900_000, () => isOver(world) && money.isClaimed(world, [1, 3]))
    expect(money.onChain(world)).toEqual([0n, 100n, 0n, 100n])
    expect(money.paymaster().promisedMicroUsd()).toBe(200n)
    expect(money.paymaster().isSettled()).toBe(true)
    money.conserved(1_000n)
  })

  test('lose nothing and pay nothing twice when buyer and worker are killed', async () => {
    const money = purse(10_000n)
    const order = { rounds: 10, roundMs: 20_000 }
    await using world = await trainingWorld({ workers: 4, order, pay: money.pay })
    const rounds = (number: number) => world.nodes[number]!.log().state().round.number
    await world.advance(120_000, () => rounds(1) >= 3)
    world.kill(0)
    world.kill(3)
    await world.advance(300_000, () => rounds(1) >= 6)
    await world.start(0)
    await world.start(3)
    await world.advance(900_000, () => isOver(world) && money.isClaimed(world, [1, 2, 3]))
    const { workers, numbers } = world.nodes[0]!.log().state()
    const earned = world.nodes.map(
      ({ identity }) => workers[numbers.get(identity.address)!]!.earnedMicroUsd,
    )
    expect(money.onChain(world).slice(1)).toEqual(earned.slice(1))
    expect(earned[1]).toBeGreaterThan(0n)
    money.conserved(10_000n)
  })

  test.each([
    ['is not paid', 0],
    ['is to wait for pay that is not set aside', 200_000],
  ])('stop the work of who %s, and go on when money comes', async (_, auditMicro) => {
    const money = purse(0n)
    const order = { rounds: 14, roundMs: 10_000, auditMicro }
    await using world = await trainingWorld({ workers: 3, order, pay: money.pay })
    await world.advance(300_000, () => money.refusals() >= 2)
    const before = shareOf(world, 1)
    expect(before).toBe(2)
    const running = world.nodes[0]!.log().state().round.number
    money.add(world, 5_000n)
    await world.advance(900_000, () => isOver(world) && money.isClaimed(world, [1, 2]))
    expect(running).toBeLessThan(14)
    expect(shareOf(world, 1)).toBeGreaterThan(before)
    money.conserved(5_000n)
  })

  test.each([
    ['paid at once', 0],
    ['held back', 200_000],
  ])('end within the budget, with every promise kept, where work is %s', async (_, auditMicro) => {
    const money = purse(500n)
    const order = { rounds: 50, budgetMicroUsd: 170n, auditMicro }
    await using world = await trainingWorld({ workers: 3, order, pay: money.pay })
    await world.advance(900_000, () => isOver(world) && money.isClaimed(world, [1, 2]))
    const { paidMicroUsd } = world.nodes[0]!.log().state()
    expect(paidMicroUsd).toBeLessThanOrEqual(170n)
    expect(money.paymaster().promisedMicroUsd()).toBeLessThanOrEqual(170n)
    const [, one, two] = money.onChain(world)
    expect(one! + two!).toBe(money.paymaster().promisedMicroUsd())
    money.conserved(500n)
  })

  test('go on by another lease when one has expired while the buyer was away', async () => {
    const money = purse(10_000n, { leaseMs: 20_000 })
    const order = { rounds: 12, roundMs: 10_000 }
    const stepMs = [2_000, 2_000, 2_000]
    await using world = await trainingWorld({ workers: 3, order, stepMs, pay: money.pay })
    await world.advance(120_000, () => shareOf(world, 1) >= 3 && money.onChain(world)[1]! > 0n)
    world.kill(0)
    await world.advance(40_000)
    await world.start(0)
    await world.advance(900_000, () => isOver(world) && money.isClaimed(world, [1, 2]))
    const lives = [...money.chain().state().leases.values()]
    expect(lives.filter(({ state }) => state === 'closed').length).toBeGreaterThanOrEqual(2)
    expect(lives.length).toBeGreaterThanOrEqual(4)
    money.conserved(10_000n)
  })
})

/** A buyer's money on a chain in this process, and what each node does with it. */
function purse(depositMicroUsd: bigint, options: Pick<startPaymaster.Options, 'leaseMs'> = {}) {
  let chain: MemoryChain | undefined
  let paymaster: Paymaster | undefined
  const refused = new Set<Hex.Address>()

  function add(buyer: Hex.Address, amountMicroUsd: bigint): void {
    if (amountMicroUsd === 0n) return
    chain!.mint(buyer, amountMicroUsd)
    void chain!.connect(buyer).send({ type: 'deposit', buyer, amountMicroUsd })
  }

  async function pay({ number, ...ports }: Paying) {
    const { identity } = ports
    if (!chain) {
      chain = memoryChain(ports, domain)
      add(identity.address, depositMicroUsd)
    }
    const account = chain.connect(identity.address)
    if (number === 0) {
      paymaster = await startPaymaster(
        { ...ports, chain: account },
        { intervalMs: 1_000, ...options },
      )
      return { ...paymaster, mayWork: () => true }
    }
    const stack = new AsyncDisposableStack()
    const earnings = stack.use(
      await startEarnings({ ...ports, chain: account }, { intervalMs: 500, creditRounds: 2 }),
    )
    const settling = { ...ports, chain: account, claimables: () => earnings.claimables() }
    stack.use(
      await startSettlement(settling, {
        intervalMs: 1_000,
        maxAgeMs: 3_000,
        expiryMarginSeconds: 2,
      }),
    )
    const mayWork = () => {
      const may = earnings.mayWork()
      if (!may) refused.add(identity.address)
      return may
    }
    return { mayWork, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  }

  const onChain = (world: TrainingWorld) =>
    world.nodes.map(({ identity }) => chain!.state().earned.get(identity.address) ?? 0n)
  return {
    pay,
    chain: () => chain!,
    paymaster: () => paymaster!,
    refusals: () => refused.size,
    add: (world: TrainingWorld, amountMicroUsd: bigint) =>
      add(world.nodes[0]!.identity.address, amountMicroUsd),
    onChain,
    /** Whether these have claimed all that the log says they earned. */
    isClaimed(world: TrainingWorld, numbers: readonly number[]) {
      const state = world.nodes[0]!.log().state()
      return numbers.every((number) => {
        const worker = state.numbers.get(world.nodes[number]!.identity.address)!
        return onChain(world)[number] === state.workers[worker]!.earnedMicroUsd
      })
    },
    /** What is in the vault is what went in, whoever it belongs to now. */
    conserved(totalMicroUsd: bigint) {
      const { deposits, earned } = chain!.state()
      const held = [...deposits.values()].reduce(
        (sum, { freeMicroUsd, reservedMicroUsd }) => sum + freeMicroUsd + reservedMicroUsd,
        0n,
      )
      expect(held + [...earned.values()].reduce((sum, each) => sum + each, 0n)).toBe(totalMicroUsd)
    },
  }
}

function isOver(world: TrainingWorld): boolean {
  return world.nodes.every((node) => node.replica() && node.log().state().phase === 'ended')
}

/** Rounds in which a node's contribution counted. */
function shareOf(world: TrainingWorld, number: number): number {
  const log = world.nodes[0]!.log()
  const worker = log.state().numbers.get(world.nodes[number]!.identity.address)
  return log
    .decisions()
    .filter(
      (each) =>
        each.kind === 'round-close' && each.accepted.some((accepted) => accepted.worker === worker),
    ).length
}

/** An engine that flips a bit of a trained weight at the end of each segment. */
function spoil(run: Run): Run {
  return {
    ...run,
    state() {
      const state = run.state().map((bytes) => bytes.slice())
      state[2]![1]! ^= 0x80
      return state
    },
  }
}
