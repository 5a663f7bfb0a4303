import type { BuyerEvent } from '../buyer/Buyer.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Json from '../protocol/Json.ts'
import { withBytes } from './chat.ts'
import { gather, type Stamp } from './completionAnswer.ts'
import type { Problem } from './Problem.ts'
import type { ResponseAsk } from './responses.ts'
import type { ChoiceEvent } from './runJobs.ts'
import type { ServerEvent } from './sendEvents.ts'
import type { Choice } from './Shape.ts'
import { weftCollector, type WeftField } from './weftField.ts'

/** A response object and what was learned on the way. */
export type ResponseAnswer = {
  readonly body: ResponseObject
  readonly text: string
  readonly weft: WeftField
  readonly usage: Completion.Usage
}

/** The object of https://platform.openai.com/docs/api-reference/responses, as JSON will hold it. */
export type ResponseObject = Readonly<Record<string, unknown>> & { readonly id: string }

/** The whole response, once it has ended. */
export async function wholeResponse(
  events: AsyncIterable<ChoiceEvent>,
  options: { ask: ResponseAsk; stamp: Stamp },
): Promise<ResponseAnswer> {
  const { choices, weft } = await gather(events)
  const choice = choices[0]!
  return {
    body: completed({ ...options, choice, weft }),
    text: choice.text,
    weft,
    usage: choice.usage,
  }
}

/**
 * The events of a streamed response, in OpenAI's order. `onEnd` runs before the last event is given
 * out, so that a response is stored before its reader can ask for it.
 */
export async function* responseEvents(
  events: AsyncIterable<ChoiceEvent>,
  options: { ask: ResponseAsk; stamp: Stamp; onEnd: (answer: ResponseAnswer) => Promise<void> },
): AsyncGenerator<ServerEvent, void, undefined> {
  const { ask, stamp, onEnd } = options
  const number = numbered()
  const collector = weftCollector()
  const texts: string[] = []
  const logprobs: Completion.Logprob[] = []
  const place = { item_id: `msg_${stamp.id}`, output_index: 0 }
  const inPart = { ...place, content_index: 0 }

  for await (const { index, event } of events) {
    collector.add(index, event)
    if (event.type === 'completion-start') {
      const response = objectOf({ ask, stamp, status: 'in_progress' })
      yield number('response.created', { response })
      yield number('response.in_progress', { response })
      const item = { ...messageItem(stamp, undefined, ask), status: 'in_progress', content: [] }
      yield number('response.output_item.added', { output_index: 0, item })
      yield number('response.content_part.added', { ...inPart, part: partOf('', [], ask) })
    }
    if (event.type === 'completion-delta') {
      const { delta } = event
      texts.push(delta.text)
      logprobs.push(...(delta.logprobs ?? []))
      const shown = logprobsOf(delta.logprobs ?? [], ask)
      const fields = { ...inPart, delta: delta.text, logprobs: shown }
      yield number('response.output_text.delta', fields)
    }
    if (event.type !== 'completion-end') continue
    const choice = choiceOf(event, texts.join(''), logprobs)
    const weft = collector.field()
    const part = partOf(choice.text, logprobs, ask)
    const done = { ...inPart, text: choice.text, logprobs: part.logprobs }
    yield number('response.output_text.done', done)
    yield number('response.content_part.done', { ...inPart, part })
    const item = messageItem(stamp, choice, ask)
    yield number('response.output_item.done', { output_index: 0, item })
    const body = completed({ ask, stamp, choice, weft })
    await onEnd({ body, text: choice.text, weft, usage: event.usage })
    yield number(`response.${String(body['status'])}`, { response: body })
  }
}

/** The last event of a response that broke off. */
export function failedResponse(
  problem: Problem,
  { ask, stamp, sequence }: { ask: ResponseAsk; stamp: Stamp; sequence: number },
): ServerEvent {
  const { message, code } = problem.body.error
  const response = { ...objectOf({ ask, stamp, status: 'failed' }), error: { code, message } }
  const type = 'response.failed'
  return { event: type, data: Json.stringify({ type, sequence_number: sequence, response }) }
}

/** Gives every event its type and number. */
function numbered() {
  let next = 0
  return (type: string, fields: object): ServerEvent => ({
    event: type,
    data: Json.stringify({ type, sequence_number: next++, ...fields }),
  })
}

function choiceOf(
  event: BuyerEvent & { type: 'completion-end' },
  text: string,
  logprobs: readonly Completion.Logprob[],
): Choice {
  const { finishReason, usage } = event
  return { index: 0, text, finishReason, usage, logprobs: logprobs.length ? logprobs : undefined }
}

function completed(options: {
  ask: ResponseAsk
  stamp: Stamp
  choice: Choice
  weft: WeftField
}): ResponseObject {
  const { ask, stamp, choice, weft } = options
  const { inputTokens, outputTokens } = choice.usage
  const cut = choice.finishReason === 'length'
  return {
    ...objectOf({ ask, stamp, status: cut ? 'incomplete' : 'completed' }),
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
    output: [messageItem(stamp, choice, ask)],
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: inputTokens + outputTokens,
    },
    weft,
  }
}

function objectOf(options: { ask: ResponseAsk; stamp: Stamp; status: string }): ResponseObject {
  const { ask, stamp, status } = options
  return {
    id: `resp_${stamp.id}`,
    object: 'response',
    created_at: stamp.createdSeconds,
    status,
    error: null,
    incomplete_details: null,
    model: ask.model.id,
    output: [],
    usage: null,
    ...ask.echo,
  }
}

function messageItem(stamp: Stamp, choice: Choice | undefined, ask: ResponseAsk) {
  return {
    id: `msg_${stamp.id}`,
    type: 'message',
    role: 'assistant',
    status: choice?.finishReason === 'length' ? 'incomplete' : 'completed',
    content: [partOf(choice?.text ?? '', choice?.logprobs ?? [], ask)],
  }
}

function partOf(text: string, logprobs: readonly Completion.Logprob[], ask: ResponseAsk) {
  return { type: 'output_text', text, annotations: [], logprobs: logprobsOf(logprobs, ask) }
}

function logprobsOf(logprobs: readonly Completion.Logprob[], { topLogprobs = 0 }: ResponseAsk) {
  return logprobs.map(({ token, logprob, top }) => ({
    ...withBytes(token, logprob),
    top_logprobs: top.slice(0, topLogprobs).map((one) => withBytes(one.token, one.logprob)),
  }))
}
