/** Writes what peers signed, after it was verified. Each function tells what changed, nothing for what was known. */
import * as Json from '../../protocol/Json.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type * as Offer from '../../protocol/Offer.ts'
import type * as Receipt from '../../protocol/Receipt.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import type * as Timeline from '../../protocol/Timeline.ts'
import type * as TimelineEvent from '../../protocol/TimelineEvent.ts'
import type * as Verdict from '../../protocol/Verdict.ts'
import type { Change } from '../Api.ts'
import type { Database } from '../openDatabase.ts'
import { deriveJob, deriveMeter } from './derive.ts'

/** Keeps an offer when it is the provider's newest; `minute` counts from the epoch. */
export function writeOffer(
  database: Database,
  id: Hex.Hex,
  signed: Signed<Offer.Offer>,
  minute: number,
): readonly Change[] {
  const offer = signed.message
  return database.transaction(() => {
    const heard = writePresence(database, offer.provider, minute)
    const changed = database.run(
      `INSERT INTO offers (provider, id, peer_id, issued_at, expires_at, signed) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (provider) DO UPDATE SET id = excluded.id, peer_id = excluded.peer_id,
         issued_at = excluded.issued_at, expires_at = excluded.expires_at, signed = excluded.signed
       WHERE (excluded.issued_at, excluded.id) > (issued_at, id)`,
      offer.provider,
      id,
      offer.peerId,
      offer.issuedAt,
      offer.expiresAt,
      Json.stringify(signed),
    )
    if (changed > 0) writeModels(database, offer)
    return changed > 0 || heard ? [{ kind: 'provider', id: offer.provider }] : []
  })
}

function writeModels(database: Database, offer: Offer.Offer): void {
  database.run(`DELETE FROM models WHERE provider = ?`, offer.provider)
  offer.models.forEach((model, position) =>
    database.run(
      `INSERT INTO models
         (provider, position, id, weights, input_micro_usd_per_million, output_micro_usd_per_million)
       VALUES (?, ?, ?, ?, ?, ?)`,
      offer.provider,
      position,
      model.id,
      model.weights,
      Number(model.inputMicroUsdPerMillion),
      Number(model.outputMicroUsdPerMillion),
    ),
  )
}

/** Notes that an account was heard in a minute; whether that is new. The explorer itself is `explorer`. */
export function writePresence(database: Database, account: string, minute: number): boolean {
  return (
    database.run(
      `INSERT INTO presence (account, minute) VALUES (?, ?) ON CONFLICT DO NOTHING`,
      account,
      minute,
    ) > 0
  )
}

export function writeReceipt(
  database: Database,
  id: Hex.Hex,
  signed: Signed<Receipt.Receipt>,
): readonly Change[] {
  const receipt = signed.message
  return database.transaction(() => {
    const changed = database.run(
      `INSERT INTO receipts
         (id, job, lease, provider, buyer, model, tier, input_tokens, output_tokens, price,
          ready_at, started_at, ended_at, signed)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      id,
      receipt.job,
      receipt.lease,
      receipt.provider,
      receipt.buyer,
      receipt.model,
      receipt.tier,
      receipt.inputTokens,
      receipt.outputTokens,
      Number(receipt.priceMicroUsd),
      receipt.readyAt,
      receipt.startedAt,
      receipt.endedAt,
      Json.stringify(signed),
    )
    if (changed === 0) return []
    deriveJob(database, receipt.job)
    return [{ kind: 'job', id: receipt.job }]
  })
}

export function writeVerdict(
  database: Database,
  id: Hex.Hex,
  signed: Signed<Verdict.Verdict>,
): readonly Change[] {
  const verdict = signed.message
  return database.transaction(() => {
    const changed = database.run(
      `INSERT INTO verdicts
         (id, receipt, job, provider, validator, method, outcome, reason, checked_at, signed)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      id,
      verdict.receipt,
      verdict.job,
      verdict.provider,
      verdict.validator,
      verdict.method,
      verdict.outcome,
      verdict.reason,
      verdict.checkedAt,
      Json.stringify(signed),
    )
    if (changed === 0) return []
    deriveJob(database, verdict.job)
    return [{ kind: 'job', id: verdict.job }]
  })
}

export function writeLine(
  database: Database,
  { id, event: line, statement }: Timeline.Line,
): readonly Change[] {
  return database.transaction(() => {
    const changed = database.run(
      `INSERT INTO timeline
         (id, account, subject, subject_id, code, detail, parent, at, signed)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      id,
      line.by,
      line.subject,
      line.id,
      line.code,
      line.detail,
      line.parent,
      line.at,
      Json.stringify({
        message: line,
        among: statement.message.events,
        signature: statement.signature,
      }),
    )
    return changed === 0 ? [] : consequences(database, line)
  })
}

function consequences(database: Database, line: TimelineEvent.TimelineEvent): readonly Change[] {
  if (line.subject === 'order') return [{ kind: 'order', id: line.id }]
  if (line.subject === 'lease') {
    deriveMeter(database, line.id)
    return [{ kind: 'lease', id: line.id }]
  }
  deriveJob(database, line.id)
  return [{ kind: 'job', id: line.id }]
}

/** Drops verdicts of validators that are trusted no longer. */
export function keepValidators(database: Database, validators: readonly Hex.Address[]): void {
  database.transaction(() => {
    const rows = database.all<{ validator: string }>(`SELECT DISTINCT validator FROM verdicts`)
    for (const { validator } of rows) {
      if (validators.includes(validator as Hex.Address)) continue
      const jobs = database.all<{ job: string }>(
        `SELECT DISTINCT job FROM verdicts WHERE validator = ?`,
        validator,
      )
      database.run(`DELETE FROM verdicts WHERE validator = ?`, validator)
      for (const { job } of jobs) deriveJob(database, job)
    }
  })
}
