import type { ComponentChildren } from 'preact'
import type * as Api from '../../../src/indexer/Api.ts'
import { clockTime, count, dateTime, short, span, usd } from '../format.ts'
import { isKnown, sentence } from '../reasons.ts'
import { type Entry, entriesOf, piecesOf } from '../timeline.ts'
import { Account } from './Names.tsx'

/** What happened, oldest first, each line with who signed it and the signed document itself. */
export function Timeline({ lines }: { lines: readonly Api.Line[] }) {
  const start = lines[0]?.at ?? 0
  return (
    <ol class="timeline">
      {entriesOf(lines).map((entry) => (
        <li key={entry.key} class={toneOf(entry.code)}>
          <div class="when">
            <time dateTime={new Date(entry.at).toISOString()} title={dateTime(entry.at)}>
              {clockTime(entry.at)}
            </time>
            <span>
              {entry.lines[0]!.transaction
                ? `block ${count(entry.lines[0]!.transaction.block)}`
                : `+${span(Math.max(0, entry.at - start))}`}
            </span>
          </div>
          <div class="what">
            <p class="sentence">{sentence(entry.code)}</p>
            {entry.details.map((detail) => (
              <Detail key={detail} entry={entry} detail={detail} />
            ))}
            {entry.lines.map((line, index) => (
              <Signer key={line.document?.id ?? index} line={line} first={index === 0} />
            ))}
          </div>
        </li>
      ))}
    </ol>
  )
}

/** Who says so, and the signed statement itself. */
function Signer({ line, first }: { line: Api.Line; first: boolean }) {
  const { transaction, document, role } = line
  return (
    <div class="by">
      {first && <code class="code">{line.code}</code>}
      {transaction ? (
        <>
          <span>by the chain</span>
          <code title={transaction.hash}>tx {short(transaction.hash)}</code>
        </>
      ) : (
        <>
          <span>
            {first ? 'by' : 'and'} the {role === 'other' ? 'account' : role}
          </span>
          <Account address={line.by} provider={role === 'provider'} />
        </>
      )}
      {document && <Document document={document} what={line.subject} />}
    </div>
  )
}

function toneOf(code: string): string {
  if (/^(verdict-valid|lease-ready|claimed|payment-signed)$/.test(code)) return 'good'
  if (/invalid|failed|withheld|refunded|unfilled|slashed/.test(code)) return 'bad'
  if (/declined|paused|unavailable|cancelled/.test(code)) return 'wait'
  return 'plain'
}

/** Details are for people already; accounts, ids, codes and amounts in them are made readable. */
function Detail({ entry, detail }: { entry: Entry; detail: string }): ComponentChildren {
  const words = amountWords[entry.code]
  if (entry.lines[0]!.transaction) return words ? <p class="detail">{words(usd(detail))}</p> : null
  const { pieces, spoken } = piecesOf(detail)
  return (
    <p class="detail">
      {pieces.map(({ kind, text }, index) => {
        if (kind === 'account') return <Account key={index} address={text} provider />
        if (kind === 'id')
          return (
            <code key={index} title={text}>
              {short(text)}
            </code>
          )
        if (kind === 'amount') return usd(text)
        if (kind === 'text') return text
        return spoken ? <Code key={index} code={text} /> : <Reason key={index} code={text} />
      })}
    </p>
  )
}

function Code({ code }: { code: string }) {
  return (
    <code class="code" title={sentence(code)}>
      {code}
    </code>
  )
}

/** A code with what it means. */
export function Reason({ code }: { code: string }) {
  return (
    <>
      {sentence(code)} {isKnown(code) && <code class="code">{code}</code>}
    </>
  )
}

const amountWords: Readonly<Record<string, (amount: string) => string>> = {
  'lease-opened': (amount) => `${amount} reserved`,
  'lease-closed': (amount) => `${amount} given back`,
  claimed: (amount) => `${amount} claimed for this lease in one batch`,
}

/** A signed message, folded away until somebody wants to see it. */
export function Document(props: { document: Api.SignedDocument; what: string }) {
  const { id, signed } = props.document
  return (
    <details class="document">
      <summary>
        signed {documents.includes(props.what) ? props.what : 'statement'} <code>{short(id)}</code>
      </summary>
      <pre tabIndex={0}>{JSON.stringify(signed, null, 2)}</pre>
    </details>
  )
}

const documents: readonly string[] = ['receipt', 'verdict', 'offer']
