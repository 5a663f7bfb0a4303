import type { ComponentChildren } from 'preact'
import type * as Api from '../../../src/indexer/Api.ts'
import { plural, short } from '../format.ts'
import type { Examined, Word } from '../judge.ts'

/** The bottom of a dispute: the one number, as the claimant says it and as it is. */
export function Segment(props: { detail: Api.DisputeDetail; examined: Examined | undefined }) {
  const { detail, examined } = props
  const { proof } = detail.segment
  if (proof?.type === 'slot')
    return (
      <div class="bottom">
        <p class="bottom-head">
          The next state must hold what the step computed. It holds something else.
        </p>
        <p class="small">
          The slot should hold the tensor with root{' '}
          <code title={proof.next}>{short(proof.next)}</code>, on which both agree; the leaf that
          the claimant is bound to is that of another.
        </p>
      </div>
    )
  if (!examined) return null
  if (examined.wrong) return <WrongOperand of={examined.wrong} />
  return <Sum detail={detail} examined={examined} />
}

function WrongOperand({ of: { operand, held } }: { of: NonNullable<Examined['wrong']> }) {
  return (
    <div class="bottom">
      <p class="bottom-head">
        {operand.value === undefined ? (
          'The claimant computed with another token than stands in the data.'
        ) : (
          <>
            The claimant computed with <code>{operand.name}</code> of value {operand.value}, and
            that is not what stands there.
          </>
        )}
      </p>
      <Pair
        rows={[
          ['The claimant says it read', operand.word, 'claimed'],
          [operand.value === undefined ? 'The data holds' : 'The tensor holds', held, 'right'],
        ]}
      />
      <p class="small">
        Both agree on what this number is read from: its root stands in the part that is agreed, and
        a path of hashes leads from there to these bytes.
      </p>
    </div>
  )
}

function Sum({ detail, examined }: { detail: Api.DisputeDetail; examined: Examined }) {
  const { claimed, computed, before, terms, operands, isFinish } = examined
  const isProven = detail.segment.proof?.type === 'arithmetic'
  const at = Math.max(0, differing(claimed, computed))
  const isWrong = claimed && computed && differing(claimed, computed) >= 0
  const lane = (computed?.length ?? 1) > 1 ? `, lane ${at}` : ''
  return (
    <div class="bottom">
      <p class="bottom-head">
        {isProven
          ? 'From the same numbers, the contract gets something else.'
          : operands.length > 0
            ? 'What is left is small enough to compute right here.'
            : 'What is left is one small sum.'}
      </p>
      <Pair
        before={before && !isFinish ? before[at] : undefined}
        rows={[
          [`The claimant says it comes to${lane}`, claimed?.[at], 'claimed'],
          [
            isProven ? `The contract computes${lane}` : `It computes to${lane}`,
            computed?.[at],
            'right',
          ],
        ]}
        note={
          operands.length > 0
            ? `${terms.length > 0 ? plural(terms.length, 'multiplication') : plural(operands.length, 'operand')} in between`
            : undefined
        }
      />
      {!isProven && isWrong && <p class="small">So far nobody has said so on the chain.</p>}
      {terms.length > 0 ? (
        <Fold summary={`All ${plural(terms.length, 'multiplication')}, one by one`}>
          <table class="terms">
            <thead>
              <tr>
                <th class="number">k</th>
                <th class="number">a</th>
                <th class="number">b</th>
                <th class="number">sum + a·b</th>
              </tr>
            </thead>
            <tbody>
              {terms.map(({ k, a, b, after }) => (
                <tr key={k}>
                  <td class="number">{k}</td>
                  <td class="number">{a.text}</td>
                  <td class="number">{b.text}</td>
                  <td class="number">{after.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Fold>
      ) : (
        operands.length > 0 && (
          <Fold summary={`What it reads: ${plural(operands.length, 'number')}`}>
            <table class="terms">
              <tbody>
                {operands.map(({ name, word }) => (
                  <tr key={name}>
                    <td>
                      <code>{name}</code>
                    </td>
                    <td class="number">{word.text}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Fold>
        )
      )}
      <p class="small">
        {computed
          ? 'Your browser has just computed this from what stands on the chain, with the arithmetic of the contract: every product and every sum rounded once.'
          : 'Some of what this takes was said off the chain; the chain has only its hash.'}
      </p>
    </div>
  )
}

function differing(one: readonly Word[] | undefined, other: readonly Word[] | undefined): number {
  if (!one || !other) return -1
  return one.findIndex(({ bits }, index) => bits !== other[index]?.bits)
}

type Row = readonly [label: string, word: Word | undefined, tone: 'claimed' | 'right']

/** Two numbers, one above the other, bit by bit. */
function Pair(props: {
  rows: readonly [Row, Row]
  before?: Word | undefined
  note?: string | undefined
}) {
  const { rows, before, note } = props
  const [first, second] = rows
  const differ = first[1] && second[1] ? (first[1].bits ^ second[1].bits) >>> 0 : 0
  return (
    <dl class="pair">
      {before && (
        <div class="before">
          <dt>The sum before</dt>
          <dd>
            <span class="figure">{before.text}</span>
            <Bits word={before} differ={0} />
          </dd>
        </div>
      )}
      {note && <div class="between">{note}</div>}
      {rows.map(([label, word, tone]) => (
        <div key={label} class={tone}>
          <dt>{label}</dt>
          <dd>
            {word ? (
              <>
                <span class="figure">{word.text}</span>
                <Bits word={word} differ={differ} />
              </>
            ) : (
              <span class="muted">not known here</span>
            )}
          </dd>
        </div>
      ))}
    </dl>
  )
}

/** The bits of a number: sign, exponent and fraction set apart, those that differ marked. */
function Bits({ word: { bits, width }, differ }: { word: Word; differ: number }) {
  const cells = Array.from({ length: width }, (_, index) => {
    const place = width - 1 - index
    const gap = width === 8 ? 0 : (index >= 1 ? 3 : 0) + (index >= 9 ? 3 : 0)
    return { x: index * 8 + gap, isSet: (bits >>> place) & 1, isOther: (differ >>> place) & 1 }
  })
  return (
    <svg
      class="bits"
      viewBox={`0 0 ${width * 8 + 6} 14`}
      style={{ maxWidth: `${width * 8 + 6}px` }}
      role="img"
      aria-label={`bits 0x${bits.toString(16).padStart(width / 4, '0')}`}
    >
      {cells.map(({ x, isSet, isOther }) => (
        <rect
          key={x}
          class={`${isSet ? 'set' : 'clear'} ${isOther ? 'other' : ''}`}
          x={x + 0.75}
          y="0.75"
          width="5.5"
          height="12.5"
          rx="1.5"
        />
      ))}
    </svg>
  )
}

function Fold({ summary, children }: { summary: string; children: ComponentChildren }) {
  return (
    <details class="document">
      <summary>{summary}</summary>
      <div class="terms-box" tabIndex={0}>
        {children}
      </div>
    </details>
  )
}
