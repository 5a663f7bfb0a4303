import type { BuyerEvent } from '../buyer/Buyer.ts'
import type * as Completion from '../protocol/Completion.ts'
import * as Json from '../protocol/Json.ts'
import type { Ask } from './parameters.ts'
import type { ChoiceEvent } from './runJobs.ts'
import { sumUsage, type Choice, type Shape } from './Shape.ts'
import { weftCollector, type WeftField } from './weftField.ts'

/** Id and time of an answer. */
export type Stamp = { readonly id: string; readonly createdSeconds: number }

/** The whole answer of a chat or text completion, once every choice has ended. */
export async function wholeAnswer(
  events: AsyncIterable<ChoiceEvent>,
  options: { ask: Ask; shape: Shape; stamp: Stamp },
): Promise<{ readonly body: object; readonly weft: WeftField; readonly usage: Completion.Usage }> {
  const { ask, shape, stamp } = options
  const { choices, weft, engine } = await gather(events)
  const usage = sumUsage(choices.map((choice) => choice.usage))
  const body = {
    id: `${shape.idPrefix}${stamp.id}`,
    object: shape.object,
    created: stamp.createdSeconds,
    model: ask.model.id,
    system_fingerprint: engine,
    choices: choices.map((choice) => shape.choice({ ...choice, ask })),
    usage: usageOf(usage),
    weft,
  }
  return { body, weft, usage }
}

/** The chunks of a streamed answer, each a JSON text. The last one carries the `weft` field. */
export async function* answerChunks(
  events: AsyncIterable<ChoiceEvent>,
  options: {
    ask: Ask
    shape: Shape
    stamp: Stamp
    onEnd: (usage: Completion.Usage, weft: WeftField) => void
  },
): AsyncGenerator<string, void, undefined> {
  const { ask, shape, stamp, onEnd } = options
  const collector = weftCollector()
  const usages: Completion.Usage[] = []
  const head = Json.stringify({
    id: `${shape.idPrefix}${stamp.id}`,
    object: shape.chunkObject,
    created: stamp.createdSeconds,
    model: ask.model.id,
  }).slice(0, -1)
  const usage = ask.includeUsage ? { usage: null } : {}
  const chunk = (choice: object, rest: object = usage) =>
    `${head},${Json.stringify({ choices: [choice], ...rest }).slice(1)}`

  for await (const { index, event } of events) {
    collector.add(index, event)
    if (event.type === 'completion-start' && shape.opening) yield chunk(shape.opening(index))
    if (event.type === 'completion-delta') yield chunk(shape.delta(index, event.delta, ask))
    if (event.type !== 'completion-end') continue
    usages.push(event.usage)
    const last = usages.length === ask.requests.length
    const weft = collector.field()
    if (last) onEnd(sumUsage(usages), weft)
    const rest = last && !ask.includeUsage ? { ...usage, weft } : usage
    yield chunk(shape.closing(index, event.finishReason), rest)
    if (!last || !ask.includeUsage) continue
    const total = { choices: [], usage: usageOf(sumUsage(usages)), weft }
    yield `${head},${Json.stringify(total).slice(1)}`
  }
}

/** Gathers whole choices, in order. */
export async function gather(events: AsyncIterable<ChoiceEvent>): Promise<{
  readonly choices: readonly Choice[]
  readonly weft: WeftField
  /** Runtime and build that answered. */
  readonly engine: string
}> {
  const collector = weftCollector()
  const drafts = new Map<number, Draft>()
  const choices: Choice[] = []
  let engine = ''
  for await (const { index, event } of events) {
    collector.add(index, event)
    const draft = drafts.get(index) ?? { texts: [], logprobs: undefined }
    drafts.set(index, draft)
    if (event.type === 'completion-delta') append(draft, event)
    if (event.type !== 'completion-end') continue
    const { finishReason, usage, receipt } = event
    engine = receipt.message.engine
    choices.push({
      index,
      finishReason,
      usage,
      text: draft.texts.join(''),
      logprobs: draft.logprobs,
    })
  }
  return { choices: choices.toSorted((a, b) => a.index - b.index), weft: collector.field(), engine }
}

type Draft = { readonly texts: string[]; logprobs: Completion.Logprob[] | undefined }

function append(draft: Draft, { delta }: BuyerEvent & { type: 'completion-delta' }): void {
  draft.texts.push(delta.text)
  if (!delta.logprobs) return
  draft.logprobs ??= []
  for (const item of delta.logprobs) draft.logprobs.push(item)
}

/** Usage in OpenAI's words. */
export function usageOf({ inputTokens, outputTokens }: Completion.Usage) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  }
}
