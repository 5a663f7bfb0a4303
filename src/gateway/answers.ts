import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { chatShape, parseChat } from './chat.ts'
import { answerChunks, wholeAnswer, type Stamp } from './completionAnswer.ts'
import { completionShape, parseCompletion } from './completions.ts'
import { headed } from './headed.ts'
import type { Ask } from './parameters.ts'
import * as Problem from './Problem.ts'
import {
  failedResponse,
  responseEvents,
  wholeResponse,
  type ResponseAnswer,
} from './responseAnswer.ts'
import { parseResponse, type Message, type ResponseAsk } from './responses.ts'
import { runJobs, type ChoiceEvent } from './runJobs.ts'
import { sendEvents, StalledError, type ServerEvent } from './sendEvents.ts'
import type { Serving } from './Serving.ts'
import type { Shape } from './Shape.ts'
import { weftCollector, weftHeaders } from './weftField.ts'
import { limitsOf } from './weftRequest.ts'

type Events = AsyncGenerator<ChoiceEvent, void, undefined>

/** The routes that buy answers: chat, text, and the Responses API. */
export function answerRoutes(app: FastifyInstance, serving: Serving): void {
  const family = (parse: typeof parseChat, shape: Shape) => {
    return async (request: FastifyRequest, reply: FastifyReply) => {
      const ask = parse(request.body, serving.context)
      return answer(
        serving,
        { request, reply, ask },
        {
          async whole(events, stamp) {
            const { body, weft, usage } = await wholeAnswer(events, { ask, shape, stamp })
            serving.count(usage, weft)
            return reply.headers(weftHeaders(weft)).send(body)
          },
          async *parts(events, stamp) {
            const onEnd = serving.count
            for await (const data of answerChunks(events, { ask, shape, stamp, onEnd }))
              yield { data }
            yield { data: '[DONE]' }
          },
          broken: (problem) => ({ data: JSON.stringify(problem.body) }),
        },
      )
    }
  }
  app.post('/v1/chat/completions', family(parseChat, chatShape))
  app.post('/v1/completions', family(parseCompletion, completionShape))
  app.post('/v1/responses', async (request, reply) => {
    const earlier = (id: string) => earlierMessages(serving, request, id)
    const ask = await parseResponse(request.body, { ...serving.context, earlier })
    return answerResponse(serving, { request, reply, ask })
  })
}

type Call<ask extends Ask = Ask> = {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly ask: ask
}

/** How one family answers: in one piece, in parts, and with what last word when it breaks off. */
type Manner = {
  readonly whole: (events: Events, stamp: Stamp) => Promise<unknown>
  readonly parts: (events: Events, stamp: Stamp) => AsyncIterable<ServerEvent>
  readonly broken: (problem: Problem.Problem, stamp: Stamp, sent: number) => ServerEvent
}

/** Buys what a request asks for, and answers. A client that goes away aborts its jobs. */
async function answer(serving: Serving, call: Call, manner: Manner): Promise<unknown> {
  const { request, reply, ask } = call
  using _room = serving.limits.occupy(request.apiKey, ask.requests.length)
  using flight = serving.takeOff(reply.raw)
  const { signal } = flight
  const stamp = serving.stamp()
  const events = runJobs(serving, {
    ...limitsOf(request.headers),
    key: request.apiKey,
    model: ask.model,
    requests: ask.requests,
    signal,
  })
  try {
    if (!ask.stream) return await manner.whole(events, stamp)
    return await stream(serving, call, { manner, events, signal, stamp })
  } catch (error) {
    if (!signal.aborted) throw error
    if (!flight.clientGone()) throw signal.reason
    serving.log.debug({ requestId: request.id }, 'client went away')
    return reply.hijack()
  } finally {
    flight.land()
    await events.return()
  }
}

async function stream(
  serving: Serving,
  { reply }: Call,
  run: { manner: Manner; events: Events; signal: AbortSignal; stamp: Stamp },
): Promise<FastifyReply> {
  const { manner, events, signal, stamp } = run
  const { opening, all } = await headed(events)
  const collector = weftCollector()
  for (const { index, event } of opening) collector.add(index, event)
  reply.headers(weftHeaders(collector.field()))
  let sent = 0
  const counted = async function* () {
    for await (const part of manner.parts(all, stamp)) {
      sent++
      yield part
    }
  }
  try {
    await sendEvents(reply, counted(), { ...serving, signal })
  } catch (error) {
    if (!reply.raw.headersSent || reply.raw.destroyed) throw error
    if (error instanceof StalledError) return reply.raw.destroy() && reply
    const cause: unknown = signal.aborted ? signal.reason : error
    const { event, data } = manner.broken(serving.problem(cause, reply.request.id), stamp, sent)
    reply.raw.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${data}\n\n`)
  }
  reply.raw.end()
  return reply
}

function answerResponse(serving: Serving, call: Call<ResponseAsk>): Promise<unknown> {
  const { request, reply, ask } = call
  const keep = async ({ body, text, weft, usage }: ResponseAnswer) => {
    serving.count(usage, weft)
    if (!ask.store) return
    const answered: Message = { role: 'assistant', content: text }
    await serving.responses.save(request.apiKey, body, [...ask.messages, answered])
  }
  return answer(serving, call, {
    async whole(events, stamp) {
      const response = await wholeResponse(events, { ask, stamp })
      await keep(response)
      return reply.headers(weftHeaders(response.weft)).send(response.body)
    },
    parts: (events, stamp) => responseEvents(events, { ask, stamp, onEnd: keep }),
    broken: (problem, stamp, sequence) => failedResponse(problem, { ask, stamp, sequence }),
  })
}

async function earlierMessages(serving: Serving, request: FastifyRequest, id: string) {
  const found = await serving.responses.load(request.apiKey, id)
  if (found) return found.messages
  throw new Problem.RequestError('The previous response is not stored here.', {
    status: 404,
    code: 'previous_response_not_found',
    param: 'previous_response_id',
    metaMessages: ['Fix: create it with store: true, and not more than 30 days ago.'],
  })
}
