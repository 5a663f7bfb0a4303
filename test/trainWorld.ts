/** A training run under partitions, losses, kills and wrong clocks, all of which follow from one seed. */
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { closesOf } from '../src/training/closedRound.ts'
import { clockSkewMs } from '../src/training/log/openLog.ts'
import { hashOf } from '../src/training/Replica.ts'
import {
  trainingWorld,
  type TrainingWorld,
  type Workshop,
  type WorldNode,
} from './trainingWorld.ts'

/** What happens in a run, and when. */
export type Turmoil = {
  readonly seed: number
  readonly workers: number
  readonly rounds: number
  readonly stepMs: readonly number[]
  readonly skewsMs: readonly number[]
  readonly delayMs: readonly [number, number]
  readonly lossRate: number
  readonly events: readonly Event[]
}

export type Event = { readonly atMs: number } & (
  | { readonly kind: 'partition'; readonly side: readonly number[] }
  | { readonly kind: 'heal' }
  | { readonly kind: 'kill'; readonly node: number | 'coordinator' }
  | { readonly kind: 'start' }
)

/** When nothing goes wrong any more. */
export const calmMs = 90_000

/** Draws what happens to a run. */
export function turmoilOf(seed: number): Turmoil {
  const random = seededRandom(seed)
  const below = (limit: number) => Math.floor(random.next() * limit)
  const workers = 3 + below(4)
  const each = <item>(draw: (number: number) => item) =>
    Array.from({ length: workers }, (_, number) => draw(number))
  const wrong = below(5) === 0 ? 1 + below(workers - 1) : -1
  const far = (below(2) === 0 ? 1 : -1) * (120_000 + below(300_000))
  const events: Event[] = []
  for (let atMs = 1_000 + below(12_000); atMs < calmMs; atMs += 1_000 + below(14_000)) {
    const kind = (['partition', 'partition', 'heal', 'kill', 'kill', 'start'] as const)[below(6)]!
    if (kind === 'partition')
      events.push({ atMs, kind, side: each((number) => number).filter(() => below(2) === 0) })
    else if (kind === 'kill')
      events.push({ atMs, kind, node: below(2) === 0 ? 'coordinator' : below(workers) })
    else events.push({ atMs, kind })
  }
  return {
    seed,
    workers,
    rounds: 4 + below(6),
    stepMs: each(() => 50 + below(3_000)),
    skewsMs: each((number) => (number === wrong ? far : below(16_000) - 8_000)),
    delayMs: [1, 2 + below(400)],
    lossRate: below(2) === 0 ? 0 : random.next() * 0.3,
    events,
  }
}

/** How a run ended, as all of its honest nodes have it. */
export type Ending = {
  readonly replica: string
  readonly terms: number
  readonly repeated: number
  readonly endedMs: number
}

/** Runs it; throws when honest nodes do not come to the same end, or when rounds or pay do not add up. */
export async function runTurmoil(turmoil: Turmoil, workshop: Workshop): Promise<Ending> {
  const { seed, workers, rounds, stepMs, skewsMs, delayMs, lossRate } = turmoil
  const order = { rounds, roundMs: 12_000, auditMicro: 200_000, minWorkers: Math.min(3, workers) }
  const faults = { delayMs, lossRate, duplicationRate: lossRate / 2 }
  await using world = await trainingWorld({
    workers,
    workshop,
    seed,
    stepMs,
    skewsMs,
    order,
    faults,
  })
  const beganAt = world.nowMs()
  for (const event of [...turmoil.events, { atMs: calmMs, kind: 'heal' } as const]) {
    await world.advance(beganAt + event.atMs - world.nowMs())
    await happen(world, event)
  }
  world.network.setFaults({})
  await happen(world, { kind: 'start', atMs: calmMs })
  const heard = world.nodes.filter((_, number) => skewsMs[number]! >= -clockSkewMs)
  await world.advance(patienceMs, () => areAtOneEnd(heard))
  const endedMs = world.nowMs() - beganAt
  check(heard, { rounds })
  for (const node of world.nodes)
    if (!heard.includes(node) && !node.errors.has('Training.ClockError'))
      throw new Error('A node whose clock is behind was not told.')
  const [first] = heard
  const decisions = first!.log().decisions()
  return {
    replica: hashOf(first!.layout, first!.replica()!),
    terms: first!.log().head().term,
    repeated: decisions.filter(({ kind }) => kind === 'round-repeated').length,
    endedMs,
  }
}

/** How long the world may take to come to one end when nothing goes wrong any more. */
const patienceMs = 600_000

async function happen(world: TrainingWorld, event: Event): Promise<void> {
  const { nodes, network } = world
  switch (event.kind) {
    case 'partition':
      return network.partition([event.side.map((number) => nodes[number]!.identity.peerId)])
    case 'heal':
      return network.heal()
    case 'kill': {
      const coordinator = nodes.findIndex((node) => node.isAlive() && node.isCoordinator())
      const number = event.node === 'coordinator' ? coordinator : event.node
      if (nodes[number]?.isAlive()) world.kill(number)
      return
    }
    case 'start':
      for (const [number, node] of nodes.entries()) if (!node.isAlive()) await world.start(number)
  }
}

function areAtOneEnd(nodes: readonly WorldNode[]): boolean {
  return (
    nodes.every((node) => node.isAlive() && node.log().state().phase === 'ended') &&
    new Set(nodes.map((node) => node.log().head().hash)).size === 1 &&
    new Set(nodes.map((node) => hashOf(node.layout, node.replica()!))).size === 1
  )
}

function check(nodes: readonly WorldNode[], { rounds }: { rounds: number }): void {
  if (!areAtOneEnd(nodes)) throw new Error(`Logs or models differ: ${nodes.map(told).join('; ')}`)
  for (const node of nodes) {
    const { workers, paidMicroUsd, order } = node.log().state()
    const closes = closesOf(node.log().decisions())
    const closed = closes.map(({ round }) => round)
    if (closed.join() !== Array.from({ length: rounds }, (_, round) => round).join())
      throw new Error(`Rounds were closed in this order: ${closed.join()}`)
    const steps = closes
      .flatMap(({ accepted }) => accepted)
      .reduce((sum, { weight }) => sum + weight, 0)
    const refused = node
      .log()
      .decisions()
      .filter(({ kind }) => kind === 'unpaid').length
    const earned = workers.reduce((sum, { earnedMicroUsd }) => sum + earnedMicroUsd, 0n)
    if (earned !== paidMicroUsd) throw new Error(`${earned} earned, ${paidMicroUsd} paid.`)
    if (refused === 0 && paidMicroUsd !== BigInt(steps) * order.priceMicroUsd)
      throw new Error(`${paidMicroUsd} paid for ${steps} steps.`)
    const convicted = workers.filter(({ standing }) => standing === 'convicted')
    if (convicted.length > 0) throw new Error('An honest worker was convicted.')
  }
}

function told(node: WorldNode): string {
  if (!node.isAlive()) return 'dead'
  const { hash, term, sequence } = node.log().head()
  const { phase, round } = node.log().state()
  const replica = node.replica()
  return `${hash.slice(0, 8)} term ${term} batch ${sequence} ${phase} ${round.number} state ${replica?.rounds}`
}
