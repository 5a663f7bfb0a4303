import * as z from 'zod/mini'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import type { Run } from '../../exact/train/startRun.ts'
import type { Source } from '../../network/Bulk.ts'
import { ask, type Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import * as Applied from '../../protocol/training/Applied.ts'
import * as Audit from '../../protocol/training/Audit.ts'
import * as Commitment from '../../protocol/training/Commitment.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import * as Join from '../../protocol/training/Join.ts'
import * as Witness from '../../protocol/training/Witness.ts'
import { type Clock, every } from '../../runtime/Clock.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Store } from '../../runtime/Store.ts'
import { bitmapOf } from '../coordinator/bitmap.ts'
import type { Decision, State, Worker as Member } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { annealedKept } from '../payload/annealedKept.ts'
import { decode, greatestBytes, type SparseUpdate } from '../payload/SparseUpdate.ts'
import { advance, flatten, hashOf, type Layout, lengthOf, type Replica } from '../Replica.ts'
import { runSegment } from '../segment.ts'
import { auditSegment } from './auditSegment.ts'
import type { Contents } from './Contents.ts'
import type { LogSync } from './startLogSync.ts'
import { hashesOf, makePayload } from './makePayload.ts'
import { basisOf, openReplicas } from './openReplicas.ts'
import { fromBytes } from './replicaBytes.ts'

/** A worker of a training run. */
export type Worker = AsyncDisposable & {
  /** The state that it has. */
  replica(): Replica
  /** Contents that it keeps states in. */
  kept(): readonly Hex.Hex[]
  /** Loss of its last inner step; undefined before the first. */
  loss(): number | undefined
}

/** The protocol by which a node that joins late asks for the newest state. */
export const checkpointProtocol = '/weft/training-checkpoint/1'

/**
 * Starts to work on a run: joins, keeps its state in step with the log, runs its segment of each round,
 * delivers the payload, says what it holds, and audits whom it is told to. What it does next follows from the
 * log and from what is on its disk, so that it goes on after `kill -9` where it was.
 */
export async function startWorker(
  ports: startWorker.Ports,
  { steps, intervalMs = 200, onStep, onReplica }: startWorker.Options = {},
): Promise<Worker> {
  const { log, sync, identity, network, contents, clock, domain, logger, run, layout } = ports
  const { order } = log
  const seed = [order.seed0, order.seed1] as const
  const table = `trainingWorker/${log.run}`
  const length = lengthOf(layout)
  const controller = new AbortController()
  const { signal } = controller
  const replicas = await openReplicas(ports, { layout, start: ports.start, table })
  const held = new Map<Hex.Hex, SparseUpdate>()
  let made: Commitment.Commitment | undefined
  let loss: number | undefined
  /** One piece of work at a time has the engine. */
  let work: Promise<void> | undefined
  const sentAt = new Map<string, number>()
  /** What audits found, said until it is in the log. */
  const audited = new Map<string, Audit.Audit>()

  const keptIn = (round: number) =>
    annealedKept(round, { rounds: order.rounds, first: order.keptFirst, last: order.keptLast })
  const me = (state: State): Member | undefined =>
    state.workers.find(({ address }) => address === identity.address)

  async function save(next: Replica): Promise<void> {
    await replicas.save(next, basisAt(next.rounds) ?? '')
    await onReplica?.(next)
  }

  /** What the log says a state of so many rounds comes from. */
  function basisAt(rounds: number): string | undefined {
    const close = closesOf(log.decisions()).findLast(({ round }) => round === rounds - 1)
    return close && basisOf(close)
  }

  /** Says something again from time to time until it is in the log. */
  async function say(key: string, entry: () => Entry.Entry): Promise<void> {
    if (clock.now() - (sentAt.get(key) ?? -Infinity) < repeatMs) return
    sentAt.set(key, clock.now())
    if (sentAt.size > 64) sentAt.delete(sentAt.keys().next().value!)
    await sync.submit(entry())
  }

  async function turn(): Promise<void> {
    const state = log.state()
    const own = me(state)
    if (own?.standing === 'convicted') return
    // The last round may have closed while we were computing: its state is ours to have, too.
    if (state.phase === 'ended') return void (own && (await keepUp(state)))
    if (own?.standing !== 'active' || !isReachedAt(own)) return join((own?.attempt ?? -1) + 1)
    if (!(await keepUp(state))) return
    const { round, phase } = state
    if (!round.reports.has(own.number)) await report(round.number)
    await gather(state)
    if (phase === 'witness' && !round.witnesses.has(own.number)) await bearWitness(state)
    const duties = auditDuties(state, own)
    for (const { key } of duties) if (audited.has(key)) await tellAudit(key)
    if (work) return
    const duty = duties.find(({ key }) => !audited.has(key))
    if (duty) work = occupied(() => audit(state, duty))
    else if (phase === 'round' && own.firstRound <= round.number) await contribute(state, own)
  }

  /** Whether the log says where our contents are now; another address or port is told by joining again. */
  function isReachedAt({ source }: Member): boolean {
    return source.url === ports.source.url && source.certificate === ports.source.certificate
  }

  function occupied(task: () => Promise<void>): Promise<void> {
    return task()
      .catch((error: unknown) => {
        if (signal.aborted) return
        const facts = { run: log.run, code: codeOf(error), reason: messageOf(error) }
        logger.warn(facts, 'Work was not done; it is tried again.')
      })
      .finally(() => (work = undefined))
  }

  function join(attempt: number): Promise<void> {
    const { url, certificate } = ports.source
    const message: Join.Join = {
      run: log.run,
      worker: identity.address,
      peer: network.self,
      url,
      certificate,
      graph: order.graph,
      data: order.data,
      compliance: ports.compliance,
      attempt,
    }
    return say(`join ${attempt}`, () => ({
      kind: 'join',
      signed: Join.sign(domain, message, identity),
    }))
  }

  function report(rounds: number): Promise<void> {
    const message = {
      run: log.run,
      worker: identity.address,
      rounds,
      replica: hashOf(layout, replicas.newest()),
    }
    return say(`applied ${rounds}`, () => ({
      kind: 'applied',
      signed: Applied.sign(domain, message, identity),
    }))
  }

  /** Applies closed rounds; false while the state is behind the log. */
  async function keepUp(state: State): Promise<boolean> {
    const { number, parent } = state.round
    if (!(await replicas.goBack(basisAt))) return fetchState(state)
    const closes = closesOf(log.decisions())
    while (replicas.newest().rounds < number) {
      const { rounds } = replicas.newest()
      const close = closes.findLast(({ round }) => round === rounds)
      const next = close && (await applied(state, close))
      if (!next) return fetchState(state)
      await save(next)
    }
    const replica = replicas.newest()
    if (replica.rounds > number || (parent && parent !== hashOf(layout, replica)))
      return fetchState(state)
    return true
  }

  /** The state after a closed round; undefined when a payload cannot be had. */
  async function applied(state: State, close: Close): Promise<Replica | undefined> {
    const replica = replicas.newest()
    const counted: { update: SparseUpdate; weight: number }[] = []
    for (const { payload, weight, worker } of close.accepted) {
      const bytes = await fetchPayload(state, payload, worker).catch(() => undefined)
      if (!bytes) return undefined
      const update = tryDecode(bytes, close.round)
      if (update) counted.push({ update, weight })
    }
    if (counted.length === 0) return { ...replica, rounds: replica.rounds + 1 }
    return advance(layout, replica, {
      updates: counted.map(({ update }) => update),
      weights: counted.map(({ weight }) => weight),
      rate: order.outerRateMicro / 1e6,
    })
  }

  /** Takes the newest state from another worker, if it is the one that the log says is right. */
  async function fetchState(state: State): Promise<boolean> {
    const { parent, number } = state.round
    if (parent === undefined) return false
    for (const { peer, source } of othersOf(state)) {
      try {
        const reply = await ask(network, peer, checkpointProtocol, Json.toBytes({ run: log.run }), {
          signal,
          idleTimeoutMs: 3_000,
        })
        const { rounds, content } = Json.decode(checkpoint, reply, { what: 'checkpoint' })
        if (rounds !== number) continue
        const maxBytes = ports.start.reduce((sum, { byteLength }) => sum + byteLength, 0)
        const bytes = await contents.get(content, [source], { maxBytes, signal })
        const next = { rounds, parameters: fromBytes(layout, bytes) }
        if (hashOf(layout, next) !== parent) continue
        await save(next)
        return true
      } catch (error) {
        signal.throwIfAborted()
        logger.debug(
          { peer, code: codeOf(error), reason: messageOf(error) },
          'No state from there.',
        )
      }
    }
    return false
  }

  function othersOf(state: State): readonly Member[] {
    return state.workers.filter(
      ({ address, standing }) => standing === 'active' && address !== identity.address,
    )
  }

  /** Fetches the payloads of the round as they are committed, so that witness and sum find them here. */
  async function gather(state: State): Promise<void> {
    for (const [worker, { commitment }] of state.round.commitments) {
      const { payload } = commitment
      if (held.has(payload)) continue
      const bytes = await fetchPayload(state, payload, worker).catch(() => undefined)
      const update = bytes && tryDecode(bytes, state.round.number)
      if (update) held.set(payload, update)
    }
    for (const payload of held.keys()) if (held.size > heldLimit) held.delete(payload)
  }

  function fetchPayload(state: State, payload: Hex.Hex, worker: number): Promise<Uint8Array> {
    const first = state.workers[worker]!.source
    const others = othersOf(state).map(({ source }) => source)
    const maxBytes = greatestBytes(length, Math.max(order.keptFirst, order.keptLast))
    return contents.get(payload, [first, ...others], { maxBytes, signal })
  }

  function tryDecode(bytes: Uint8Array, round: number): SparseUpdate | undefined {
    try {
      return decode(bytes, { length, kept: keptIn(round) })
    } catch {
      return undefined
    }
  }

  function bearWitness({ round }: State): Promise<void> {
    const numbers = [...round.commitments]
      .filter(([, { commitment }]) => held.has(commitment.payload))
      .map(([number]) => number)
    const message = {
      run: log.run,
      worker: identity.address,
      round: round.number,
      held: bitmapOf(numbers),
    }
    return say(`witness ${round.number} ${message.held}`, () => ({
      kind: 'witness',
      signed: Witness.sign(domain, message, identity),
    }))
  }

  /** Runs the segment of the round, or says again what came of it. */
  async function contribute(state: State, own: Member): Promise<void> {
    const { round } = state
    if (!round.parent || round.commitments.has(own.number)) return
    const parent = round.parent
    const isMade = made?.round === round.number && made.parent === parent
    if (!isMade) work = occupied(() => produce(round.number, parent, own))
    else
      await say(`commitment ${round.number}`, () => ({
        kind: 'commitment',
        signed: Commitment.sign(domain, made!, identity),
      }))
  }

  async function produce(round: number, parent: Hex.Hex, own: Member): Promise<void> {
    const from = replicas.newest()
    const end = await segment(from, own.number)
    const before = own.error === Hex.zero ? undefined : await ownError(own.error)
    const built = makePayload({
      parent: flatten(layout, from.parameters),
      trained: flatten(layout, end.slice(0, layout.slots.length)),
      before,
      kept: keptIn(round),
    })
    // On disk before it is promised: who asks for what is in the log gets it, after a crash too.
    for (const bytes of [built.payload, built.ifAccepted, built.ifLate]) await contents.put(bytes)
    made = {
      run: log.run,
      worker: identity.address,
      round,
      parent,
      steps: steps ?? order.steps,
      ...hashesOf(built),
      end: Hex.from(StateRoot.from(run.graph.state, end)),
      errorBefore: before ? own.error : Hex.zero,
      claim: Hex.zero,
    }
  }

  /** What an earlier round left unsent; forgotten if the disk lost it. */
  function ownError(error: Hex.Hex): Promise<Uint8Array | undefined> {
    return contents.get(error, [], { maxBytes: length * 4 }).catch(() => undefined)
  }

  function segment(from: Replica, worker: number): Promise<readonly Uint8Array[]> {
    return runSegment(run, {
      layout,
      replica: from,
      data: ports.data,
      seed,
      worker,
      steps: steps ?? order.steps,
      stepsPerRound: order.steps,
      signal,
      async onStep(step) {
        loss = step.loss
        await onStep?.(step)
        // Lets the log be followed between steps.
        await clock.sleep(0, { signal })
      },
    })
  }

  /** Contributions that we are to run again, as long as the log waits for it. */
  function auditDuties({ open }: State, own: Member): readonly Duty[] {
    return open.flatMap(({ number, contributions }) =>
      [...contributions]
        .filter(([, { audits }]) => audits.get(own.number) === 'assigned')
        .map(([worker, { commitment }]) => ({ worker, commitment, key: `${number} ${worker}` })),
    )
  }

  function tellAudit(key: string): Promise<void> {
    return say(`audit ${key}`, () => ({
      kind: 'audit',
      signed: Audit.sign(domain, audited.get(key)!, identity),
    }))
  }

  async function audit(state: State, { worker, commitment, key }: Duty): Promise<void> {
    const { number, source } = state.workers[worker]!
    const from = replicas.at(commitment.round)
    const found =
      from && hashOf(layout, from) === commitment.parent
        ? await examine(commitment, { from, number, source })
        : ({ outcome: 'declined', reason: 'Segment.StateGone' } as const)
    const message = {
      run: log.run,
      auditor: identity.address,
      round: commitment.round,
      worker: commitment.worker,
      ...found,
    }
    const facts = { worker: commitment.worker, round: commitment.round, ...found }
    logger.info(facts, 'Ran a segment again.')
    audited.set(key, message)
    if (audited.size > auditLimit) audited.delete(audited.keys().next().value!)
    await tellAudit(key)
  }

  async function examine(
    commitment: Commitment.Commitment,
    { from, number, source }: { from: Replica; number: number; source: Source },
  ) {
    const { errorBefore, round } = commitment
    const options = { maxBytes: length * 4, signal }
    const before =
      errorBefore === Hex.zero
        ? undefined
        : await contents.get(errorBefore, [source], options).catch(() => null)
    if (before === null)
      return { outcome: 'unavailable', reason: 'Segment.ErrorVectorGone' } as const
    return auditSegment(run, {
      commitment,
      replica: from,
      layout,
      before,
      kept: keptIn(round),
      data: ports.data,
      seed,
      worker: number,
      stepsPerRound: order.steps,
      signal,
    })
  }

  async function* serve(): AsyncGenerator<Uint8Array> {
    yield Json.toBytes({ rounds: replicas.newest().rounds, content: replicas.content() })
  }

  await using stack = new AsyncDisposableStack()
  stack.use(network.handle(checkpointProtocol, serve))
  const onError = (error: unknown) =>
    logger.warn({ run: log.run, code: codeOf(error), reason: messageOf(error) }, 'Again later.')
  const ends = every(clock, intervalMs, turn, { signal, onError })
  stack.defer(async () => {
    await ends
    await work
  })
  stack.defer(() => controller.abort(new DOMException('The worker stops.', 'AbortError')))
  const owned = stack.move()
  return {
    replica: () => replicas.newest(),
    kept: () => replicas.contents(),
    loss: () => loss,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startWorker {
  type Ports = {
    log: Log
    sync: Pick<LogSync, 'submit'>
    identity: Identity
    network: Network
    contents: Contents
    store: Store
    clock: Clock
    domain: Domain.Domain
    logger: Logger
    /** Of the order's training graph. */
    run: Run
    layout: Layout
    /** The parameters that the order begins with. */
    start: readonly Uint8Array[]
    data: Uint8Array
    /** Where others fetch our contents. */
    source: Source
    /** Hash over the compliance suite on our back end. */
    compliance: Hex.Hex
  }
  type Options = {
    /** Inner steps a round. @default the order's */
    steps?: number | undefined
    /** How often it looks what is to do. @default 200 */
    intervalMs?: number | undefined
    onStep?: runSegment.Options['onStep']
    /** Told of each state that the worker comes to, before it goes on. */
    onReplica?: ((replica: Replica) => void | Promise<void>) | undefined
  }
}

type Close = Extract<Decision, { kind: 'round-close' }>
type Duty = {
  readonly worker: number
  readonly commitment: Commitment.Commitment
  readonly key: string
}

const repeatMs = 3_000
const heldLimit = 1024
const auditLimit = 256

function closesOf(decisions: readonly Decision[]): readonly Close[] {
  return decisions.filter((each) => each.kind === 'round-close')
}

const checkpoint = z.strictObject({
  rounds: z.int().check(z.minimum(0)),
  content: z.custom<Hex.Hex>(
    (value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value),
  ),
})
