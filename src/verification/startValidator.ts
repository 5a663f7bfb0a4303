import type { Engine } from '../engine/Engine.ts'
import type { Network } from '../network/Network.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as Domain from '../protocol/Domain.ts'
import type * as ExactClaim from '../protocol/ExactClaim.ts'
import type { Evidence } from '../protocol/Exchange.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import * as Verdict from '../protocol/Verdict.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Random } from '../runtime/Random.ts'
import { semaphore } from '../runtime/Semaphore.ts'
import type { Store } from '../runtime/Store.ts'
import { checkEvidence } from './checkEvidence.ts'
import { checkClaim, compareClaim } from './compareClaim.ts'
import { fetchEvidence } from './fetchEvidence.ts'
import { openProviderDirectory } from './providerDirectory.ts'
import {
  compareRuns,
  obstacle,
  requestFor,
  rerun,
  RerunError,
  rerunFor,
  type Run,
} from './rerun.ts'
import { openVerdictBook } from './verdictBook.ts'
import { verifyReceipt } from './verifyReceipt.ts'

/** A running validator. */
export type Validator = AsyncDisposable & {
  readonly address: Hex.Address
  counts(): Counts
}

/** What became of the receipts heard. */
export type Counts = {
  readonly valid: number
  readonly invalid: number
  /** The provider did not hand out what is needed to check. */
  readonly unavailable: number
  /** Not drawn. */
  readonly passedOver: number
  /** Cannot be checked here: other weights, another build, or our own engine failed. Nothing is said about them. */
  readonly skipped: number
  /** Drawn, and dropped because too many waited. */
  readonly shed: number
  /** Not receipts, not signed, out of date, or against their own sums. */
  readonly malformed: number
}

/**
 * Starts a validator: it hears receipts, draws some of them by chance after they are signed, asks the
 * provider for the evidence, checks every hash, runs the request again on its own engine, and publishes
 * a signed verdict. Of tier `exact` it compares the claim too, and tells `onFalseClaim` of one that is false.
 * What it cannot check itself it says nothing about.
 */
export async function startValidator(
  ports: startValidator.Ports,
  options: startValidator.Options = {},
): Promise<Validator> {
  const { identity, network, engine, store, clock, random, logger, domain } = ports
  const settings = { ...defaults, ...definedOnly(options) }
  await using stack = new AsyncDisposableStack()
  const controller = new AbortController()
  const { signal } = controller
  const sinceMs = clock.now() - settings.receiptAgeMs
  const book = await openVerdictBook({ store, logger }, { sinceMs })
  const directory = stack.use(openProviderDirectory({ network, clock, domain }))
  const counts = { ...nothing }
  const seen = new Set<Hex.Hex>()
  const queue: Task[] = []
  const running = new Set<Promise<void>>()
  /** The engine's places: who waits for a provider's evidence takes none of them. */
  const places = semaphore(settings.concurrency)
  const limit = settings.concurrency + askedAtOnce

  /** Draws only what is signed: a provider cannot know which of its receipts will be looked at. */
  function hear(body: Uint8Array, from: string): void {
    const receipt = parse(domain, body, clock.now(), settings.receiptAgeMs)
    if (!receipt) return void counts.malformed++
    const id = Receipt.hash(domain, receipt.message)
    if (seen.has(id) || book.has(id)) return
    remember(seen, id)
    if (obstacle(receipt.message, engine.models)) return void counts.skipped++
    if (random.next() >= settings.rate) return void counts.passedOver++
    queue.push({ id, receipt, from })
    if (queue.length > settings.queueLimit) shed()
    work()
  }

  /** Drops one of the provider that has the most waiting, so that nobody crowds out the others. */
  function shed(): void {
    const groups = Map.groupBy(queue, ({ receipt }) => receipt.message.provider)
    const [largest] = [...groups.values()].toSorted((a, b) => b.length - a.length)
    const last = largest?.at(-1)
    if (last) queue.splice(queue.indexOf(last), 1)
    counts.shed++
  }

  function work(): void {
    const hasRoom = () => places.waiting() === 0 && running.size < limit
    while (hasRoom() && queue.length > 0 && !signal.aborted) {
      const task = queue.shift()!
      const done = judge(task)
        .catch((error: unknown) => {
          if (signal.aborted) return
          counts.skipped++
          const facts = { receipt: task.id, code: codeOf(error), reason: messageOf(error) }
          logger.warn(facts, 'A receipt could not be checked.')
        })
        .finally(() => {
          running.delete(done)
          work()
        })
      running.add(done)
    }
  }

  async function judge({ id, receipt, from }: Task): Promise<void> {
    const { provider, job, tier } = receipt.message
    const peer = isOf(provider, from) ? from : directory.peerOf(provider)
    const { evidenceTimeoutMs: timeoutMs, evidenceWaitsMs: waitsMs } = settings
    const fetched = peer
      ? await fetchEvidence({ network, clock }, peer, job, { signal, timeoutMs, waitsMs })
      : ({ type: 'unavailable', code: 'Evidence.ProviderUnknown' } as const)
    const finding: Finding =
      fetched.type === 'unavailable'
        ? { outcome: 'unavailable', reason: fetched.code, output: Hex.zero }
        : await examine(receipt, fetched.evidence)
    await publish({
      receipt: id,
      job,
      provider,
      validator: identity.address,
      method: tier === 'exact' ? 'exact' : 'rerun',
      ...finding,
      checkedAt: clock.now(),
    })
  }

  async function examine(receipt: Signed<Receipt.Receipt>, evidence: Evidence): Promise<Finding> {
    const [problem] = checkEvidence(domain, receipt, evidence)
    if (problem) {
      logger.warn({ job: receipt.message.job, ...problem }, 'The evidence does not fit.')
      return { outcome: 'invalid', reason: problem.code, output: Hex.zero }
    }
    const request = requestFor(receipt.message, evidence.request, engine.models)
    const { tier, engine: build } = receipt.message
    await using _place = await places.take(signal)
    return await within(clock, settings.rerunTimeoutMs, signal, async (limited) => {
      const options = { signal: limited, build }
      const own = await rerun(engine, request, options)
      const found = compareRuns(receipt.message, evidence.output, own)
      if (tier !== 'exact') return found
      const reason = await examineClaim({ receipt, evidence, own, request }, options)
      const outcome = reason === undefined ? found.outcome : 'invalid'
      return { ...found, outcome, reason: reason ?? found.reason.replace(/^Rerun/, 'Exact') }
    })
  }

  /** Why the claim of an exact answer is not the one that is owed. Whoever disputes it hears of a false one first. */
  async function examineClaim(
    { receipt, evidence, own, request }: Examined,
    options: { signal: AbortSignal; build: string },
  ): Promise<string | undefined> {
    const { claim } = evidence
    const problem = checkClaim(domain, receipt.message, claim)
    if (problem || !claim) return problem?.code
    const { exact, usage } = own
    if (!exact) throw new RerunError({ cause: new Error('it did not say which run it made') })
    const { steps } = claim.message
    const asLong = await rerunFor(engine, request, { own: exact, usage, steps, ...options })
    const { reason, isFalse } = compareClaim(claim.message, exact, asLong)
    if (isFalse) {
      const facts = { job: claim.message.job, provider: claim.message.claimant, reason }
      logger.warn(facts, 'A claim is false.')
      await tell(claim, evidence)
    }
    return reason
  }

  async function tell(claim: Signed<ExactClaim.ExactClaim>, evidence: Evidence): Promise<void> {
    try {
      await ports.onFalseClaim?.(claim, evidence)
    } catch (error) {
      const facts = { job: claim.message.job, code: codeOf(error), reason: messageOf(error) }
      logger.error(facts, 'A false claim is not disputed.')
    }
  }

  /** Journals before it speaks, so that it never says two things about one receipt. */
  async function publish(verdict: Verdict.Verdict): Promise<void> {
    const signed = Verdict.sign(domain, verdict, identity)
    await book.add(signed)
    counts[verdict.outcome as Verdict.Outcome]++
    const { receipt, provider, outcome, reason } = verdict
    logger.info({ receipt, provider, outcome, reason }, 'Checked.')
    await network.publish(Exchange.topics.verdicts, Verdict.serialize(signed))
  }

  /** Gossip may lose a verdict, and a buyer is waiting for it. */
  async function repeat(): Promise<void> {
    const recent = book.since(clock.now() - settings.repeatForMs).slice(-repeatLimit)
    for (const verdict of recent)
      await network.publish(Exchange.topics.verdicts, Verdict.serialize(verdict))
  }

  const loop = (name: string, intervalMs: number, task: () => Promise<void>) => {
    const onError = (error: unknown) =>
      logger.warn({ loop: name, code: codeOf(error), reason: messageOf(error) }, 'Round failed.')
    const ends = every(clock, intervalMs, task, { signal, onError })
    stack.defer(() => ends)
  }
  loop('repeat', settings.repeatIntervalMs, repeat)
  loop('prune', 60_000, () => book.prune(clock.now() - settings.keepForMs))
  stack.defer(async () => void (await Promise.all(running)))
  const listener = (body: Uint8Array, { from }: { from: string }) => hear(body, from)
  stack.use(network.subscribe(Exchange.topics.receipts, listener))
  stack.defer(() => controller.abort(new DOMException('The validator stops.', 'AbortError')))

  const owned = stack.move()
  return {
    address: identity.address,
    counts: () => ({ ...counts }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startValidator {
  type Ports = {
    identity: Identity.Identity
    network: Network
    engine: Engine
    store: Store
    clock: Clock
    /** Must not be guessable by providers. */
    random: Random
    logger: Logger
    domain: Domain.Domain
    /**
     * Told of a claim that is false and can be disputed, before the verdict on it is written down: after a
     * crash in between it is told again. It should put it down and return.
     */
    onFalseClaim?:
      | ((claim: Signed<ExactClaim.ExactClaim>, evidence: Evidence) => void | Promise<void>)
      | undefined
  }
  type Options = {
    /** Share of the receipts to check, in [0, 1]. @default 0.1 */
    rate?: number | undefined
    /** Checks at once. @default 1 */
    concurrency?: number | undefined
    /** Receipts drawn that may wait; more are shed. @default 1_000 */
    queueLimit?: number | undefined
    /** Older receipts are not looked at. @default 120_000 */
    receiptAgeMs?: number | undefined
    /** How long a provider may take to hand out evidence. @default 3_000 */
    evidenceTimeoutMs?: number | undefined
    /** How long to wait before each further attempt. @default [300, 1_000, 2_000, 3_000] */
    evidenceWaitsMs?: readonly number[] | undefined
    /** @default 120_000 */
    rerunTimeoutMs?: number | undefined
    /** How often recent verdicts are published again, and for how long. @default 2_500 and 30_000 */
    repeatIntervalMs?: number | undefined
    repeatForMs?: number | undefined
    /** How long verdicts stay in the journal. @default a week */
    keepForMs?: number | undefined
  }
}

/** How many providers are asked for evidence while the engine is busy. */
const askedAtOnce = 8

const defaults = {
  rate: 0.1,
  concurrency: 1,
  queueLimit: 1_000,
  receiptAgeMs: 120_000,
  evidenceTimeoutMs: 3_000,
  // Longer than offers are apart: a validator that has just begun knows no addresses yet.
  evidenceWaitsMs: [300, 1_000, 2_000, 3_000] as readonly number[],
  rerunTimeoutMs: 120_000,
  repeatIntervalMs: 2_500,
  repeatForMs: 30_000,
  keepForMs: 7 * 86_400_000,
}

function definedOnly(options: startValidator.Options): Partial<typeof defaults> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

const nothing: Counts = {
  valid: 0,
  invalid: 0,
  unavailable: 0,
  passedOver: 0,
  skipped: 0,
  shed: 0,
  malformed: 0,
}

type Task = {
  readonly id: Hex.Hex
  readonly receipt: Signed<Receipt.Receipt>
  /** Who published it. */
  readonly from: string
}

type Examined = {
  readonly receipt: Signed<Receipt.Receipt>
  readonly evidence: Evidence
  readonly own: Run
  readonly request: Completion.Request
}

type Finding = Pick<Verdict.Verdict, 'outcome' | 'reason' | 'output'>

const repeatLimit = 256
const seenLimit = 100_000
const clockSkewMs = 30_000

/** A receipt that is signed, recent and not against its own sums. */
function parse(
  domain: Domain.Domain,
  body: Uint8Array,
  now: number,
  ageMs: number,
): Signed<Receipt.Receipt> | undefined {
  try {
    const receipt = Receipt.deserialize(body)
    const { endedAt } = receipt.message
    if (endedAt < now - ageMs || endedAt > now + clockSkewMs) return undefined
    return verifyReceipt(domain, receipt).every(({ ok }) => ok) ? receipt : undefined
  } catch {
    return undefined
  }
}

function remember(seen: Set<Hex.Hex>, id: Hex.Hex): void {
  seen.add(id)
  const [oldest] = seen
  if (seen.size > seenLimit && oldest) seen.delete(oldest)
}

function isOf(provider: Hex.Address, peer: string): boolean {
  try {
    return Identity.addressOf(peer) === provider
  } catch {
    return false
  }
}

/** Runs work with a signal that is also aborted when the time is over, also when the work does not listen. */
async function within<result>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  work: (limited: AbortSignal) => Promise<result>,
): Promise<result> {
  const late = new AbortController()
  const done = new AbortController()
  const ended = AbortSignal.any([signal, late.signal])
  const timer = clock.sleep(timeoutMs, { signal: done.signal }).then(
    () => late.abort(new Error(`it took longer than ${timeoutMs} ms`)),
    () => {},
  )
  try {
    return await new Promise<result>((resolve, reject) => {
      const abort = () => reject(ended.reason as Error)
      if (ended.aborted) return abort()
      ended.addEventListener('abort', abort, { once: true })
      work(ended).then(resolve, reject)
    })
  } finally {
    done.abort()
    await timer
  }
}
