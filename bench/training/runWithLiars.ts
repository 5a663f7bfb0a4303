import { createHash } from 'node:crypto'
import * as StateRoot from '../../src/exact/commit/StateRoot.ts'
import type { Backend } from '../../src/exact/index.ts'
import * as Hex from '../../src/protocol/Hex.ts'
import type { Outcome } from '../../src/protocol/training/Audit.ts'
import type { Commitment } from '../../src/protocol/training/Commitment.ts'
import { sealOf } from '../../src/protocol/training/Score.ts'
import type * as Entry from '../../src/protocol/training/Entry.ts'
import type { TrainingOrder } from '../../src/protocol/training/TrainingOrder.ts'
import { type Close, closesOf, readPayload, replicaAfter } from '../../src/training/closedRound.ts'
import { bitmapOf } from '../../src/training/coordinator/bitmap.ts'
import { isShown } from '../../src/training/coordinator/scores.ts'
import {
  activeIn,
  type ClosedRound,
  type Decision,
  initial,
  type ScoreGroup,
  type State,
} from '../../src/training/coordinator/State.ts'
import { tick } from '../../src/training/coordinator/tick.ts'
import { auditSegment } from '../../src/training/node/auditSegment.ts'
import { makeContribution } from '../../src/training/node/makeContribution.ts'
import { floats, hashesOf, type Made, makePayload } from '../../src/training/node/makePayload.ts'
import { flatten, hashOf, type Replica } from '../../src/training/Replica.ts'
import { scoreGroup } from '../../src/training/score/scoreGroup.ts'
import { type Measure, startMeasure } from '../../src/training/score/startMeasure.ts'
import { trainerOf } from '../../src/training/segment.ts'
import { type Problem, prepare } from './problem.ts'

/** What liars send instead of their work. */
export const lies = ['noise', 'sign-flipped', 'scaled', 'stale', 'copied', 'biased'] as const
/** `lazy`: one step is taken of those that are said. */
export type Lie = (typeof lies)[number] | 'lazy'

/** How a run with liars went. */
export type Outcomes = {
  readonly loss: number
  /** Of each liar, the rounds that it took part in until it was convicted; Infinity if it never was. */
  readonly roundsUntilFound: readonly number[]
  readonly liarsPaidMicroUsd: bigint
  readonly honestAccused: number
  /** Contributions of honest workers that were not paid. */
  readonly honestUnpaid: number
  /** The greatest doubt that scores left about an honest worker, standard errors; 8 convict. */
  readonly honestDoubt: number
}

/**
 * A run of eight workers of which the last few lie, decided by the real coordinator, with real segments,
 * payloads and audits; messages are not signed, and nothing travels. A lying auditor finds every liar honest.
 */
export async function runWithLiars(backend: Backend, plan: runWithLiars.Plan): Promise<Outcomes> {
  const { order } = plan
  const steps = order.rounds * order.steps
  await using problem = await prepare(backend, {
    seed: order.seed0,
    rate: plan.rate,
    steps,
    rows: 4,
  })
  await using measure = await startMeasure(
    { backend },
    { graph: problem.run.graph, layout: problem.layout },
  )
  const world = worldOf({ ...problem, measure }, plan)
  while (world.state().phase !== 'ended') await world.go()
  const { workers } = world.state()
  const isLiar = (number: number) => number >= workers.length - plan.liars
  const convicted = world.decisions.filter((each) => each.kind === 'worker-convicted')
  const closes = closesOf(world.decisions)
  const roundsOf = ({ number, standing }: (typeof workers)[number]) =>
    standing === 'convicted'
      ? closes.filter(({ accepted }) => accepted.some(({ worker }) => worker === number)).length
      : Infinity
  const liars = workers.filter(({ number }) => isLiar(number))
  return {
    loss: problem.loss(world.replica().parameters),
    roundsUntilFound: liars.map(roundsOf),
    liarsPaidMicroUsd: liars.reduce((sum, { earnedMicroUsd }) => sum + earnedMicroUsd, 0n),
    honestAccused: convicted.filter(({ worker }) => !isLiar(worker)).length,
    honestUnpaid: world.decisions.filter((each) => each.kind === 'unpaid' && !isLiar(each.worker))
      .length,
    honestDoubt: Math.max(
      0,
      ...world.decisions.flatMap((each) =>
        each.kind === 'scored' && !isLiar(each.worker) ? [each.doubtMilli / 1000] : [],
      ),
    ),
  }
}

export declare namespace runWithLiars {
  type Plan = {
    readonly order: TrainingOrder
    readonly rate: number
    readonly liars: number
    readonly lie: Lie
  }
}

const workers = 8
const run = Hex.sha256('a run with liars')
const addressOf = (number: number): Hex.Address => `0x${`${number + 1}`.padStart(40, '0')}`

function worldOf(
  problem: Problem & { measure: Measure },
  { order, liars, lie }: runWithLiars.Plan,
) {
  const { layout, data, seed, start, run: engine, measure } = problem
  const isLiar = (number: number) => number >= workers - liars
  const contents = new Map<Hex.Hex, Uint8Array>()
  const replicas: Replica[] = [{ rounds: 0, parameters: start }]
  const decisions: Decision[] = []
  let state = initial(run, order)
  let now = 1_000_000
  /** Last round's lies, to be told again. */
  const told = new Map<number, Made>()

  function say(inbox: readonly Entry.Entry[]): void {
    now += 1000
    const batch = Hex.from(createHash('sha256').update(`${seed[0]} ${lie} ${now}`).digest())
    const result = tick(state, { now, seed: batch, inbox })
    state = result.state
    decisions.push(...result.outbox)
  }

  const replica = () => replicas.at(-1)!
  const common = { layout, data, seed, stepsPerRound: order.steps, terms: order }

  function work(worker: number, before: Uint8Array | undefined, steps = order.steps) {
    const options = { ...common, replica: replica(), worker, steps }
    return makeContribution(trainerOf(engine), { ...options, before: before && floats(before) })
  }

  /** What a liar sends: `end` is told as it was where work was done at all. */
  async function lieOf(
    worker: number,
    honest: ReadonlyMap<number, Commitment>,
  ): Promise<Commitment> {
    const { rounds: round, parameters } = replica()
    const base = flatten(layout, parameters)
    const before = told.get(worker)
    if (lie === 'copied')
      return { ...honest.get(0)!, worker: addressOf(worker), errorBefore: Hex.zero }
    if (lie === 'stale' && before) return commit(worker, { made: before, end: Hex.sha256('stale') })
    const { end } = await work(worker, undefined, lie === 'lazy' ? 1 : order.steps)
    const trained = flatten(layout, end.slice(0, layout.slots.length))
    const twisted = twist(lie, { base, trained, salt: worker * 10_000 + round })
    const made = makePayload({ base, trained: twisted, terms: order, round })
    told.set(worker, made)
    return commit(worker, { made, end: Hex.from(StateRoot.from(engine.graph.state, end)) })
  }

  function commit(worker: number, { made, end }: { made: Made; end: Hex.Hex }): Commitment {
    for (const each of [made.payload, made.ifAccepted, made.ifLate])
      contents.set(Hex.sha256(each), each)
    const { number: round, parent } = state.round
    const message = { run, worker: addressOf(worker), round, batch: state.began, parent: parent! }
    const rest = { steps: order.steps, errorBefore: Hex.zero, claim: Hex.zero }
    return { ...message, ...rest, ...hashesOf(made), end }
  }

  async function contribute(): Promise<void> {
    const active = activeIn(state).map(({ number }) => number)
    const honest = new Map<number, Commitment>()
    for (const worker of active.filter((each) => !isLiar(each))) {
      const before = contents.get(state.workers[worker]!.error)
      const { end, made } = await work(worker, before)
      const root = Hex.from(StateRoot.from(engine.graph.state, end))
      const errorBefore = before ? state.workers[worker]!.error : Hex.zero
      honest.set(worker, { ...commit(worker, { made, end: root }), errorBefore })
    }
    const lying: Commitment[] = []
    for (const worker of active.filter(isLiar)) lying.push(await lieOf(worker, honest))
    const all = [...honest.values(), ...lying]
    say(all.map((message) => ({ kind: 'commitment', signed: { message, signature: '0x' } })))
  }

  async function audit(): Promise<readonly Entry.Entry[]> {
    const entries: Entry.Entry[] = []
    for (const { number: round, batch, contributions } of state.open)
      for (const [worker, { commitment, audits }] of contributions)
        for (const [auditor, found] of audits) {
          if (found !== 'assigned') continue
          const { outcome, reason } = await examine(commitment, { worker, auditor })
          const message = { run, auditor: addressOf(auditor), round, batch, outcome, reason }
          const signed = {
            message: { ...message, worker: addressOf(worker) },
            signature: '0x' as const,
          }
          entries.push({ kind: 'audit', signed })
        }
    return entries
  }

  async function examine(
    commitment: Commitment,
    { worker, auditor }: { worker: number; auditor: number },
  ): Promise<{ outcome: Outcome; reason: string }> {
    if (isLiar(auditor)) return { outcome: 'valid', reason: 'Segment.Equal' }
    const from = replicas.find(({ rounds }) => rounds === commitment.round)
    if (!from) return { outcome: 'declined', reason: 'Segment.StateGone' }
    const { errorBefore } = commitment
    const before =
      errorBefore === Hex.zero
        ? ('none' as const)
        : (contents.get(errorBefore) ?? ('unknown' as const))
    const options = { ...common, commitment, replica: from, worker, before }
    return auditSegment(engine, options)
  }

  const scored = new Map<string, readonly number[]>()

  /** What a group's members come to; a lying scorer says the best of every liar. */
  async function scoresOf(
    { number, batch: closedBy }: ClosedRound,
    { members, parent }: ScoreGroup,
    scorer: number,
  ): Promise<readonly number[]> {
    const key = `${closedBy} ${members.map(({ worker }) => worker).join()}`
    const from = replicas.find(({ rounds }) => rounds === number)
    if (!from || hashOf(layout, from) !== parent) throw new Error('The state is gone.')
    const contributions = members.map(({ worker, steps, payload }) => {
      const update = readPayload(contents.get(payload)!, { layout, order, round: number })
      return { worker, steps, update }
    })
    const options = { layout, replica: from, contributions, terms: order, data, seed, closedBy }
    const scores = scored.get(key) ?? (await scoreGroup(measure, options))
    scored.set(key, scores)
    if (!isLiar(scorer)) return scores
    return scores.map((score, at) => (isLiar(members[at]!.worker) ? 16_000 : score))
  }

  async function score(): Promise<readonly Entry.Entry[]> {
    const entries: Entry.Entry[] = []
    for (const closed of state.open)
      for (const [at, group] of closed.groups.entries())
        for (const [scorer, { seal, scores }] of group.scorers) {
          if (group.isOver || scores || (seal && !isShown(state, group))) continue
          const about = { run, scorer: addressOf(scorer), round: closed.number, group: at }
          const found = await scoresOf(closed, group, scorer)
          const salt = Hex.sha256(`${scorer} ${closed.batch}`)
          const message = { ...about, batch: closed.batch, salt, scores: found }
          const sealed = { ...about, batch: closed.batch, seal: sealOf(message) }
          const signature = '0x' as const
          if (seal) entries.push({ kind: 'score', signed: { message, signature } })
          else entries.push({ kind: 'seal', signed: { message: sealed, signature } })
        }
    return entries
  }

  async function go(): Promise<void> {
    const isNew = state.round.reports.size === 0
    const reports = activeIn(state).map(({ number }): Entry.Entry => {
      const said = { lossMicro: 0, heldOutMicro: 0, sentBytes: 0, receivedBytes: 0 }
      const report = { run, worker: addressOf(number), rounds: state.round.number, ...said }
      const message = { ...report, replica: hashOf(layout, replica()), batch: state.round.batch }
      return { kind: 'applied', signed: { message, signature: '0x' } }
    })
    if (state.phase === 'gathering') return say(joins(order))
    const found = [...(await audit()), ...(await score())]
    say([...(isNew ? reports : []), ...found])
    if (state.phase === 'round' && state.round.parent) await contribute()
    if (state.phase === 'witness') await bearWitness()
  }

  async function bearWitness(): Promise<void> {
    const held = bitmapOf(state.round.commitments.keys())
    const before = closesOf(decisions).length
    say(
      activeIn(state).map(({ number }) => ({
        kind: 'witness',
        signed: {
          message: {
            run,
            worker: addressOf(number),
            round: state.round.number,
            batch: state.began,
            held,
          },
          signature: '0x',
        },
      })),
    )
    const close = closesOf(decisions)[before]
    if (close) await follow(close)
  }

  async function follow(close: Close): Promise<void> {
    const payloadOf = (payload: Hex.Hex) => Promise.resolve(contents.get(payload))
    const after = await replicaAfter(replica(), close, { layout, order, payloadOf })
    if (after.type === 'missing') throw new Error(`The payload ${after.payload} is gone.`)
    replicas.push(after.replica)
    if (replicas.length > 6) replicas.shift()
  }

  return { go, state: (): State => state, replica, decisions }
}

function joins(order: TrainingOrder): readonly Entry.Entry[] {
  return Array.from({ length: workers }, (_, number) => ({
    kind: 'join',
    signed: {
      message: {
        run,
        worker: addressOf(number),
        peer: `${number}`,
        url: 'https://worker.example',
        certificate: Hex.zero,
        graph: order.graph,
        data: order.data,
        compliance: Hex.zero,
        attempt: 0,
      },
      signature: '0x',
    },
  }))
}

/** Where a liar says that its segment ended. */
function twist(
  lie: Lie,
  { base, trained, salt }: { base: Float32Array; trained: Float32Array; salt: number },
): Float32Array {
  const delta = trained.map((each, at) => each - base[at]!)
  const length = Math.sqrt(delta.reduce((sum, each) => sum + each * each, 0) / delta.length)
  const random = wordsOf(salt)
  switch (lie) {
    case 'noise':
      return base.map((each, at) => each + length * random(at))
    case 'sign-flipped':
      return base.map((each, at) => each - delta[at]!)
    case 'scaled':
      return base.map((each, at) => each + 30 * delta[at]!)
    case 'biased': {
      // The same small push each round, in a direction of its own.
      const push = wordsOf(7)
      return trained.map((each, at) => each + 0.3 * length * push(at))
    }
    case 'stale':
    case 'copied':
    case 'lazy':
      return trained
  }
}

/** Numbers of mean 0 and variance 1 that follow from a salt and a place. */
function wordsOf(salt: number): (at: number) => number {
  return (at) => {
    let word = Math.imul(at + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b)
    word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d)
    word = Math.imul(word ^ (word >>> 12), 0x297a2d39)
    return (((word ^ (word >>> 15)) >>> 0) / 2 ** 32 - 0.5) * Math.sqrt(12)
  }
}
