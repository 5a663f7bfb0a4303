import type { ComponentChildren } from 'preact'
import type * as Api from '../../../src/indexer/Api.ts'
import { clockTime, count, dateTime, short, span, usd } from '../format.ts'
import { isKnown, sentence } from '../reasons.ts'
import { Account } from './Names.tsx'

/** What happened, oldest first, each line with who signed it and the signed document itself. */
export function Timeline({ lines }: { lines: readonly Api.Line[] }) {
  const start = lines[0]?.at ?? 0
  return (
    <ol class="timeline">
      {lines.map((line, index) => (
        <li
          key={line.document?.id ?? `${line.transaction?.hash} ${line.code}`}
          class={toneOf(line)}
        >
          <div class="when">
            <time dateTime={new Date(line.at).toISOString()} title={dateTime(line.at)}>
              {clockTime(line.at)}
            </time>
            <span>
              {line.transaction
                ? `block ${count(line.transaction.block)}`
                : `+${span(index === 0 ? 0 : Math.max(0, line.at - start))}`}
            </span>
          </div>
          <div class="what">
            <p class="sentence">{sentence(line.code)}</p>
            <Detail line={line} />
            <div class="by">
              <code class="code">{line.code}</code>
              {line.transaction ? (
                <>
                  <span>by the chain</span>
                  <code title={line.transaction.hash}>tx {short(line.transaction.hash)}</code>
                </>
              ) : (
                <>
                  <span>by the {line.role === 'other' ? 'account' : line.role}</span>
                  <Account address={line.by} provider={line.role === 'provider'} />
                </>
              )}
              {line.document && <Document document={line.document} what={line.subject} />}
            </div>
          </div>
        </li>
      ))}
    </ol>
  )
}

function toneOf({ code }: Api.Line): string {
  if (/^(verdict-valid|lease-ready|claimed|payment-signed)$/.test(code)) return 'good'
  if (/invalid|failed|withheld|refunded|unfilled|slashed/.test(code)) return 'bad'
  if (/declined|paused|unavailable|cancelled/.test(code)) return 'wait'
  return 'plain'
}

/** Details are for people already; accounts, codes and amounts in them are made readable. */
function Detail({ line }: { line: Api.Line }): ComponentChildren {
  const { code, detail, transaction } = line
  if (detail === '') return null
  if (transaction && /^\d+$/.test(detail))
    return <p class="detail">{amountWords[code]?.(usd(detail))}</p>
  const amount = /^(\d+) micro-USD$/.exec(detail)
  if (amount) return <p class="detail">{usd(amount[1]!)}</p>
  return (
    <p class="detail">
      {detail.split(/(0x[0-9a-f]{40}\b|\b[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+\b)/).map((part) => {
        if (/^0x[0-9a-f]{40}$/.test(part)) return <Account key={part} address={part} provider />
        if (/^[A-Z][A-Za-z]+\.[A-Z]/.test(part)) return <Reason key={part} code={part} />
        return part
      })}
    </p>
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
