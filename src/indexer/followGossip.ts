import type { Domain } from '../protocol/Domain.ts'
import { topics } from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Offer from '../protocol/Offer.ts'
import * as Receipt from '../protocol/Receipt.ts'
import * as Timeline from '../protocol/Timeline.ts'
import * as TimelineEvent from '../protocol/TimelineEvent.ts'
import * as Verdict from '../protocol/Verdict.ts'
import type { Network } from '../network/Network.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import { allowances, guarded } from './allowances.ts'
import type { Change } from './Api.ts'
import type { Database } from './openDatabase.ts'
import * as tables from './tables/gossipTables.ts'

/** Hears every topic and writes what is signed, plausible and within bounds; anything else is dropped. */
export function followGossip(
  ports: followGossip.Ports,
  options: followGossip.Options,
): AsyncDisposable {
  const { clock, database, network } = ports
  const { domain, messagesPerSecond, onChange, validators } = options
  const allowance = allowances(clock, messagesPerSecond)
  const listen = (topic: string, write: (body: Uint8Array, from: string) => readonly Change[]) =>
    network.subscribe(
      topic,
      guarded(ports, topic, allowance, (body, from) => onChange(write(body, from))),
    )

  const stack = new AsyncDisposableStack()
  stack.use(
    listen(topics.offers, (body) => {
      const signed = Offer.deserialize(body)
      const offer = Offer.verify(domain, signed)
      const now = clock.now()
      assertOffer(offer, now)
      const minute = Math.floor(now / 60_000)
      return tables.writeOffer(database, Offer.hash(domain, offer), signed, minute)
    }),
  )
  stack.use(
    listen(topics.receipts, (body) => {
      const signed = Receipt.deserialize(body)
      const receipt = Receipt.verify(domain, signed)
      assertReceipt(receipt, clock.now())
      return tables.writeReceipt(database, Receipt.hash(domain, receipt), signed)
    }),
  )
  stack.use(
    listen(topics.verdicts, (body) => {
      const signed = Verdict.deserialize(body)
      if (!validators.includes(signed.message.validator))
        throw new RejectedError('the validator is not among those this explorer trusts')
      const verdict = Verdict.verify(domain, signed)
      assertVerdict(verdict, clock.now())
      return tables.writeVerdict(database, Verdict.hash(domain, verdict), signed)
    }),
  )
  stack.use(
    listen(topics.timeline, (body, from) => {
      const timeline = Timeline.deserialize(body)
      // The first event is paid for by the message.
      if (!timeline.events.slice(1).every(() => allowance(from)))
        throw new RejectedError('the neighbour says more than it may')
      const lines = Timeline.verify(domain, timeline)
      for (const { event } of lines) assertLine(event, clock.now())
      return lines.flatMap((line) => tables.writeLine(database, line))
    }),
  )
  return stack
}

export declare namespace followGossip {
  type Ports = { network: Network; clock: Clock; logger: Logger; database: Database }
  type Options = {
    readonly domain: Domain
    readonly validators: readonly Hex.Address[]
    readonly onChange: (changes: readonly Change[]) => void
    /** Of one neighbour; what it sends beyond is dropped unread. */
    readonly messagesPerSecond: number
  }
}

/** Clocks differ; nothing may be dated further ahead than this. */
const skewMs = 60_000
/** Nor longer ago: older news is of no use, and would only fill the tables. */
const oldestMs = 7 * 86_400_000
const longestOfferMs = 86_400_000
/** A million USD: more for one job, or for a million tokens, is not a price. */
const highestPriceMicroUsd = 1_000_000_000_000n
const largestBytes = 2n ** 53n

function assertOffer(offer: Offer.Offer, now: number): void {
  if (offer.expiresAt <= now) throw new RejectedError('the offer has expired')
  if (offer.issuedAt > now + skewMs) throw new RejectedError('the offer is from the future')
  if (offer.expiresAt - offer.issuedAt > longestOfferMs)
    throw new RejectedError('the offer is valid for more than a day')
  if (Identity.addressOf(offer.peerId) !== offer.provider)
    throw new RejectedError('the peer id is not that of the provider')
  for (const model of offer.models)
    if (
      model.inputMicroUsdPerMillion > highestPriceMicroUsd ||
      model.outputMicroUsdPerMillion > highestPriceMicroUsd
    )
      throw new RejectedError('a price is over a million USD')
  const sizes = [offer.hardware, ...offer.hardware.gpus].map((part) => part.memoryBytes)
  if ([...sizes, offer.hardware.diskBytes].some((size) => size > largestBytes))
    throw new RejectedError('a size is over 2^53 bytes')
}

function assertReceipt(receipt: Receipt.Receipt, now: number): void {
  assertTime(receipt.endedAt, now)
  if (receipt.startedAt > receipt.endedAt || receipt.readyAt > receipt.endedAt)
    throw new RejectedError('the times of the receipt contradict each other')
  if (receipt.priceMicroUsd > highestPriceMicroUsd)
    throw new RejectedError('the price is over a million USD')
  if (receipt.outputTokens > receipt.maxTokens)
    throw new RejectedError('more tokens were made than were asked for')
}

function assertVerdict(verdict: Verdict.Verdict, now: number): void {
  assertTime(verdict.checkedAt, now)
  if (!(Verdict.outcomes as readonly string[]).includes(verdict.outcome))
    throw new RejectedError('the outcome is not one of the known ones')
}

function assertLine(line: TimelineEvent.TimelineEvent, now: number): void {
  assertTime(line.at, now)
  if (!['order', 'lease', 'job', 'payment'].includes(line.subject))
    throw new RejectedError('the subject is not one of the known ones')
  if (!(TimelineEvent.codes as readonly string[]).includes(line.code))
    throw new RejectedError('the code is not one of the known ones')
}

function assertTime(at: number, now: number): void {
  if (at > now + skewMs) throw new RejectedError('it is from the future')
  if (at < now - oldestMs) throw new RejectedError('it is more than a week old')
}

/** Thrown when a message is signed, but says what cannot be. It is dropped. */
export class RejectedError extends BaseError {
  override readonly code = 'Indexer.RejectedError'

  constructor(reason: string) {
    super(`The message was dropped: ${reason}.`)
  }
}
