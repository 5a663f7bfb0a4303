import * as StateRoot from '../../exact/commit/StateRoot.ts'
import type { Run } from '../../exact/train/startRun.ts'
import type { Source } from '../../network/Bulk.ts'
import type { Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Applied from '../../protocol/training/Applied.ts'
import * as Audit from '../../protocol/training/Audit.ts'
import * as Commitment from '../../protocol/training/Commitment.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import * as Join from '../../protocol/training/Join.ts'
import * as Witness from '../../protocol/training/Witness.ts'
import { type Clock, every } from '../../runtime/Clock.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Random } from '../../runtime/Random.ts'
import type { Store } from '../../runtime/Store.ts'
import { isPayload, ownPayloadOf, readPayload } from '../closedRound.ts'
import { bitmapOf } from '../coordinator/bitmap.ts'
import type { State, Worker as Member } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import { greatestBytes } from '../payload/Rule.ts'
import { advance, flatten, hashOf, type Layout, lengthOf, type Replica } from '../Replica.ts'
import { type runSegment, type Trainer, trainerOf } from '../segment.ts'
import { segmentClaim } from '../segmentClaim.ts'
import type { Measure } from '../score/startMeasure.ts'
import { auditorOf } from './auditor.ts'
import type { Contents } from './Contents.ts'
import type { LogSync } from './startLogSync.ts'
import type { Claims } from './Claims.ts'
import { makeContribution } from './makeContribution.ts'
import { floats, hashesOf } from './makePayload.ts'
import { scorerOf } from './scorer.ts'
import { summandOf } from './summand.ts'
import { checkpointProtocol, upkeepOf } from './upkeep.ts'
import { openReplicas } from './openReplicas.ts'

/** A worker of a training run. */
export type Worker = AsyncDisposable & {
  /** The state that it has. */
  replica(): Replica
  /** Whether nobody who answers has yet to come to the state that it has. */
  isShared(): Promise<boolean>
  /** Contents that it keeps states in. */
  kept(): readonly Hex.Hex[]
  /** Mean loss of its steps in the last round that it worked on; undefined before the first. */
  loss(): number | undefined
}

/**
 * Starts to work on a run: joins, keeps its state in step with the log, runs its segment of each round,
 * delivers the payload, says what it holds, and audits whom it is told to. What it does next follows from the
 * log and from what is on its disk, so that it goes on after `kill -9` where it was.
 */
export async function startWorker(
  ports: startWorker.Ports,
  { steps, intervalMs = 200, onStep, onReplica, measured, mayWork }: startWorker.Options = {},
): Promise<Worker> {
  const { log, sync, identity, network, contents, clock, domain, logger, run, layout } = ports
  const { order } = log
  const seed = [order.seed0, order.seed1] as const
  const length = lengthOf(layout)
  const payloadBytes = greatestBytes(order, length)
  const controller = new AbortController()
  const { signal } = controller
  const train = ports.trainer ?? trainerOf(run)
  const replicas = await openReplicas(ports, { layout, start: ports.start, run: log.run })
  const parts = { ...ports, replicas }
  const upkeep = upkeepOf(parts, { own: identity.address, signal, onReplica })
  const auditor = auditorOf(parts, { own: identity.address, signal })
  const { measure } = ports
  /** Where segments cannot be run again: our part in scoring them. */
  const scorer = measure && scorerOf({ ...parts, measure, upkeep }, { signal })
  /** In a private run: our part in its sums. */
  const summand = await summandOf(ports, { say })
  const held = new Set<Hex.Hex>()
  let made: Made | undefined
  /** What was made for the round after that, where aggregates are late. */
  let ahead: Made | undefined
  let loss: { readonly round: number; readonly mean: number } | undefined
  /** One piece of work at a time has the engine. */
  let work: Promise<void> | undefined
  /** After work that failed the next begins later, the more often in a row the later. */
  let failures = 0
  let restUntil = 0
  const sentAt = new Map<string, number>()
  /** Since when we have seen that payloads are to be witnessed. */
  let waiting: { readonly batch: Hex.Hex; readonly since: number } | undefined
  const me = (state: State): Member | undefined =>
    state.workers.find(({ address }) => address === identity.address)

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
    // The last round may have closed while we were computing, or before we came: its state is ours to have, too.
    if (state.phase === 'ended') return void (await upkeep.keepUp(state))
    const isWilling = (mayWork?.() ?? true) && (summand?.isWilling() ?? true)
    if (own?.standing !== 'active' && !isWilling) return
    if (own?.standing !== 'active' || !isReachedAt(own)) return join((own?.attempt ?? -1) + 1)
    if (!(await upkeep.keepUp(state))) return
    const { round, phase } = state
    if (!round.reports.has(own.number)) await report(round)
    await summand?.follow(state, own)
    // Masked vectors are shown when all are bound to them.
    if (!summand || phase === 'witness') await gather(state)
    if (phase === 'witness' && !round.witnesses.has(own.number)) await bearWitness(state, own)
    for (const [key, found] of auditor.findings(state, own)) await tellAudit(key, found)
    for (const [key, entry] of scorer?.words(state, own) ?? []) await say(key, entry)
    if (work || clock.now() < restUntil) return
    const duty = auditor.next(state, own)
    const group = scorer?.next(state, own)
    if (duty) work = occupied(() => auditor.audit(state, duty))
    else if (group) work = occupied(() => scorer!.score(state, group))
    else if (phase === 'round' && own.firstRound <= round.number && isWilling)
      await contribute(state, own)
    if (!work && own.firstRound <= round.number) goAhead(state, own)
  }

  /** Whether the log says where our contents are now; another address or port is told by joining again. */
  function isReachedAt({ source }: Member): boolean {
    return source.url === ports.source.url && source.certificate === ports.source.certificate
  }

  function occupied(task: () => Promise<void>): Promise<void> {
    return task()
      .then(() => void (failures = 0))
      .catch((error: unknown) => {
        if (signal.aborted) return
        restUntil = clock.now() + Math.min(restMs.greatest, restMs.first * 2 ** failures++)
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

  function report({ number: rounds, batch }: State['round']): Promise<void> {
    const { heldOut = 0, sentBytes = 0, receivedBytes = 0 } = measured?.() ?? {}
    const message = {
      run: log.run,
      worker: identity.address,
      rounds,
      replica: hashOf(layout, replicas.newest()),
      batch,
      // Of private data even the loss would tell.
      lossMicro: summand || loss?.round !== rounds - 1 ? 0 : microOf(loss.mean),
      heldOutMicro: summand ? 0 : microOf(heldOut),
      sentBytes,
      receivedBytes,
    }
    return say(`applied ${batch}`, () => ({
      kind: 'applied',
      signed: Applied.sign(domain, message, identity),
    }))
  }

  /** Fetches the payloads of the round as they are committed, so that witness and sum find them here. */
  async function gather(state: State): Promise<void> {
    const missing = [...state.round.commitments].filter(
      ([, { commitment }]) => !held.has(commitment.payload),
    )
    const options = { layout, order, round: state.round.number }
    // All of them, a few at a time: who bears witness of the first few leaves the others out of the round.
    for (let at = 0; at < missing.length; at += fetchedAtOnce)
      await Promise.all(
        missing.slice(at, at + fetchedAtOnce).map(async ([worker, { commitment }]) => {
          const { payload } = commitment
          const bytes = await upkeep.payloadOf(state, payload, worker)
          if (bytes && isPayload(bytes, options)) held.add(payload)
        }),
      )
    for (const payload of held) if (held.size > heldLimit) held.delete(payload)
  }

  async function bearWitness({ round, began: batch }: State, own: Member): Promise<void> {
    if (round.drawn && !round.drawn.has(own.number)) return
    if (waiting?.batch !== batch) waiting = { batch, since: clock.now() }
    const numbers = [...round.commitments]
      .filter(([, { commitment }]) => held.has(commitment.payload))
      .map(([number]) => number)
    // A sum is of all or of nobody: who speaks too early spoils it.
    const isEarly = clock.now() - waiting.since < order.roundMs / 2
    if (summand && isEarly && numbers.length < round.commitments.size) return
    const message = {
      run: log.run,
      worker: identity.address,
      round: round.number,
      batch,
      held: bitmapOf(numbers),
    }
    await say(`witness ${batch} ${message.held}`, () => ({
      kind: 'witness',
      signed: Witness.sign(domain, message, identity),
    }))
  }

  /** Runs the segment of the round, or says again what came of it. */
  async function contribute(state: State, own: Member): Promise<void> {
    const { round, began: batch } = state
    const { parent } = round
    if (!parent || round.commitments.has(own.number)) return
    if (summand) {
      if (!summand.isMade(state, own)) work = occupied(() => addUp(parent, own))
      return
    }
    if (ahead?.message.round === round.number) {
      made = isAsForeseen(ahead) ? ahead : undefined
      ahead = undefined
    }
    if (made && isFor(made, state, own))
      return say(`commitment ${batch}`, () => ({
        kind: 'commitment',
        signed: Commitment.sign(domain, { ...made!.message, parent, batch }, identity),
      }))
    const payload = ownPayloadOf(order, log.decisions(), {
      round: round.number,
      worker: own.number,
    })
    const { number, error } = own
    const from = { parent, replica: replicas.newest(), payload }
    work = occupied(async () => {
      made = await produce(from, { number, error })
    })
  }

  /** Takes the steps of a private round, of which nothing is said but that we are ready. */
  async function addUp(parent: Hex.Hex, { number }: Member): Promise<void> {
    const replica = replicas.newest()
    if (hashOf(layout, replica) !== parent) return
    const end = await takeSteps({ replica, number }, train)
    const base = flatten(layout, replica.parameters)
    const trained = flatten(layout, end.slice(0, layout.slots.length))
    const update = base.map((each, at) => each - trained[at]!)
    summand!.make(update, { parent, round: replica.rounds, number })
  }

  /** Takes the steps of a segment, and keeps their mean loss. */
  async function takeSteps<T>(
    { replica, number }: { replica: Replica; number: number },
    task: (options: runSegment.Options) => Promise<T>,
  ): Promise<T> {
    const losses: number[] = []
    const result = await task({
      layout,
      replica,
      data: ports.data,
      seed,
      worker: number,
      steps: summand ? order.steps : (steps ?? order.steps),
      stepsPerRound: order.steps,
      signal,
      async onStep(step) {
        losses.push(step.loss)
        await onStep?.(step)
        // Lets the log be followed between steps.
        await clock.sleep(0, { signal })
      },
    })
    const mean = losses.reduce((sum, each) => sum + each, 0) / losses.length
    loss = { round: replica.rounds, mean }
    return result
  }

  /** Runs the segment of the next round, which waits for nobody's update but our own. */
  function goAhead({ round }: State, { number }: Member): void {
    const replica = replicas.newest()
    const isNext = made?.message.round === round.number && made.number === number
    const isDone = ahead && ahead.message.round > round.number
    if (!order.overlap || !made || !isNext || isDone) return
    if (replica.rounds !== round.number || round.number + 1 >= order.rounds) return
    const { payload, errorIfAccepted: error } = made.message
    const next = advance(layout, replica, { contributions: [], terms: order })
    work = occupied(async () => {
      ahead = await produce({ parent: undefined, replica: next, payload }, { number, error })
    })
  }

  /** Whether the log went on as it was thought when something was made ahead of it. */
  function isAsForeseen({ from, number, message: { round } }: Made): boolean {
    const { parameters } = replicas.newest()
    const payload = ownPayloadOf(order, log.decisions(), { round, worker: number })
    const isSame = from.replica.parameters.every((each, at) => areEqual(each, parameters[at]!))
    return isSame && payload === from.payload
  }

  async function produce(
    from: Made['from'],
    { number, error }: Pick<Member, 'number' | 'error'>,
  ): Promise<Made> {
    const { replica, payload } = from
    const before = error === Hex.zero ? undefined : await ownError(error)
    const bytes = payload && (await contents.get(payload, [], { maxBytes: payloadBytes, signal }))
    const round = replica.rounds
    const own = bytes && readPayload(bytes, { layout, order, round: round - 1 })
    const roots: Uint8Array[] | undefined = ports.claims ? [] : undefined
    const given = { terms: order, before: before && floats(before), own, roots }
    const taken = await takeSteps({ replica, number }, (options) =>
      makeContribution(train, { ...options, ...given }),
    )
    const { begin, end, made: built } = taken
    const claim = roots && (await claimOf({ round, worker: number, roots }, begin))
    // On disk before it is promised: who asks for what is in the log gets it, after a crash too.
    for (const each of [built.payload, built.ifAccepted, built.ifLate]) await contents.put(each)
    const message = {
      run: log.run,
      worker: identity.address,
      round,
      steps: steps ?? order.steps,
      ...hashesOf(built),
      end: Hex.from(roots?.at(-1) ?? StateRoot.from(run.graph.state, end)),
      errorBefore: before ? error : Hex.zero,
      claim: claim ?? Hex.zero,
    }
    return { message, number, from }
  }

  /** Signs for a segment, and puts that where others find it, as they do its payload. */
  async function claimOf(
    facts: { round: number; worker: number; roots: readonly Uint8Array[] },
    begin: Replica,
  ): Promise<Hex.Hex> {
    const segment = segmentClaim(order, { run: log.run, ...facts })
    const bytes = ExactClaim.serialize(await ports.claims!.sign(segment, begin))
    await contents.put(bytes)
    return Hex.sha256(bytes)
  }

  /** What an earlier round left unsent; forgotten if the disk lost it. */
  function ownError(error: Hex.Hex): Promise<Uint8Array | undefined> {
    return contents.get(error, [], { maxBytes: length * 4 }).catch(() => undefined)
  }

  function tellAudit(key: string, found: Audit.Audit): Promise<void> {
    return say(`audit ${key}`, () => ({
      kind: 'audit',
      signed: Audit.sign(domain, found, identity),
    }))
  }

  await using stack = new AsyncDisposableStack()
  stack.use(network.handle(checkpointProtocol, () => upkeep.serve()))
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
    isShared: () => upkeep.isShared(log.state()),
    kept: () => replicas.contents(),
    loss: () => loss?.mean,
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
    random: Random
    domain: Domain.Domain
    logger: Logger
    /** Of the order's training graph. */
    run: Run
    /** How we answer for our segments; needed where the tier is `exact`. */
    claims?: Claims | undefined
    /** What computes our segments, where the order leaves that to us. @default the run */
    trainer?: Trainer | undefined
    /** By what we score others, where nobody can run their segments again. */
    measure?: Measure | undefined
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
    /** What it reports of itself beside each state: loss on held-out data, if it measures it, and traffic. */
    measured?: (() => Measured) | undefined
    /** Whether to begin with more work; a worker that says no keeps what it has, and bears witness. @default always */
    mayWork?: (() => boolean) | undefined
  }
}

/** What came of a segment, to be bound to the branch of the log where it is said. */
type Made = {
  readonly message: Omit<Commitment.Commitment, 'batch' | 'parent'>
  /** The number that we had, which names the data. */
  readonly number: number
  /** What the segment began from; the parent is not known of what was made ahead of the log. */
  readonly from: {
    readonly parent: Hex.Hex | undefined
    readonly replica: Replica
    readonly payload: Hex.Hex | undefined
  }
}

/** Whether what was made is what the log asks for; on another branch of it we may be another number. */
function isFor({ message, number, from }: Made, { round }: State, own: Member): boolean {
  const { errorBefore } = message
  return (
    message.round === round.number &&
    (from.parent === undefined || from.parent === round.parent) &&
    number === own.number &&
    (errorBefore === Hex.zero || errorBefore === own.error)
  )
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at])
}

type Measured = {
  readonly heldOut?: number | undefined
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** Millionths, as far as they can be told. */
function microOf(value: number): number {
  return Number.isFinite(value) ? Math.min(2 ** 32 - 1, Math.max(0, Math.round(value * 1e6))) : 0
}

const repeatMs = 3_000
/** A broken trainer or a full disk is not mended in a moment. */
const restMs = { first: 500, greatest: 60_000 }
const heldLimit = 1024
const fetchedAtOnce = 32
