import type * as Api from '../../../src/indexer/Api.ts'
import { operationWords } from '../disputes.ts'
import { count } from '../format.ts'
import type { Operation } from '../judge.ts'

/** A whole, and the part of it where the parties part. */
type Layer = {
  readonly of: string
  readonly what: string
  readonly note?: string | undefined
  readonly span: Api.Span
}

/** From the whole run down to what is in dispute: each bar is the marked part of the one above, enlarged. */
export function Narrowing(props: { where: Api.Where; operation: Operation | undefined }) {
  const layers = layersOf(props.where, props.operation)
  return (
    <div class="narrowing">
      <ol>
        {layers.map((layer, index) => (
          <li key={layer.of}>
            <p class="layer-head">
              <b>{layer.what}</b> <span class="muted">{layer.of}</span>
            </p>
            {layer.note && <p class="layer-note">{layer.note}</p>}
            <Bar span={layer.span} isLast={index === layers.length - 1} />
          </li>
        ))}
      </ol>
      <p class="legend" aria-hidden="true">
        <span>
          <i class="key agreed" /> both agree
        </span>
        <span>
          <i class="key parted" /> here they part
        </span>
        <span>
          <i class="key rest" /> follows from it, need not be looked at
        </span>
      </p>
    </div>
  )
}

function Bar({ span: { from, to, of }, isLast }: { span: Api.Span; isLast: boolean }) {
  const width = Math.max(1.1, (100 * (to - from)) / of)
  const left = Math.min((100 * from) / of, 100 - width)
  return (
    <svg
      class="layer-bar"
      viewBox={`0 0 100 ${isLast ? 12 : 44}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      style={{ height: `${isLast ? 12 : 44}px` }}
    >
      <rect class="rest" width="100" height="12" />
      <rect class="agreed" width={left} height="12" />
      <rect class="parted" x={left} width={width} height="12" />
      {!isLast && (
        <path
          class="zoom"
          d={`M${left} 12C${left} 30 0 24 0 44H100C100 24 ${left + width} 30 ${left + width} 12Z`}
        />
      )}
    </svg>
  )
}

function layersOf(where: Api.Where, operation: Operation | undefined): readonly Layer[] {
  const { steps, values, value, slots, bytes, elementBytes, element, segments } = where
  const layers: Layer[] = [
    {
      what: isWhole(steps) ? 'A step' : named('Step', steps),
      of: `of the run's ${count(steps.of)}`,
      note: agreedBefore(steps, 'the states up to it'),
      span: steps,
    },
  ]
  if (slots)
    layers.push({
      what: isWhole(slots) ? 'A slot' : named('Slot', slots),
      of: `of the state after it, which has ${count(slots.of)}`,
      note: 'Every value that the step computes is agreed.',
      span: slots,
    })
  if (values) {
    const offset = value === null ? 0 : value - values.from
    const numbers = { from: values.from + offset, to: values.to + offset }
    const kind = operation && operationWords[operation.kind]
    layers.push({
      what: isWhole(values) ? 'A value' : named('Value', numbers),
      of: `of the ${count(values.of)} that the step computes`,
      note:
        operation &&
        `${kind} (${operation.kind}), ${operation.dtype} [${operation.shape.join(', ')}]`,
      span: values,
    })
  }
  if (bytes) {
    const size = elementBytes ?? 1
    const span = { from: bytes.from / size, to: bytes.to / size, of: bytes.of / size }
    const at = operation?.element
    layers.push({
      what:
        at && at.length > 0
          ? `Element [${at.join(', ')}]`
          : isWhole(span)
            ? 'An element'
            : named('Element', span),
      of: `of the value's ${count(span.of)}`,
      note: element === null ? undefined : agreedBefore(span, 'the elements before it'),
      span,
    })
  }
  if (segments && operation && operation.segments > 1) {
    const isFinish = segments.from === operation.segments - 1
    const isOne = segments.to - segments.from === 1
    layers.push({
      what: isFinish && isOne ? 'What finishes it' : named('Segment', segments),
      of: `of the ${count(operation.segments)} segments that compute it`,
      note: isOne && !isFinish ? termsOf(operation.kind, segments.from) : undefined,
      span: { ...segments, of: operation.segments },
    })
  }
  return layers
}

/** `Step 17`, `Steps 16 to 23`. */
function named(word: string, { from, to }: { from: number; to: number }): string {
  return to - from === 1 ? `${word} ${count(from)}` : `${word}s ${count(from)} to ${count(to - 1)}`
}

function agreedBefore({ from, to }: Api.Span, what: string): string | undefined {
  return from > 0 && to - from === 1 ? `Both agree on ${what}.` : undefined
}

function termsOf(kind: string, segment: number): string {
  const what = kind === 'scatter-add' ? 'rows' : kind === 'reduce' ? 'elements' : 'products'
  return `Its ${what} are added up 64 at a time; these are from number ${count(segment * 64)} on.`
}

function isWhole({ from, to, of }: Api.Span): boolean {
  return to - from === of && of > 1
}
