/** An OpenAI-compatible server that takes 20 ms for an answer of 16 tokens, as its own process. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

const [thinkMs = '20'] = process.argv.slice(2)
const words = 'a loom holds many threads and the weft binds them into one strong cloth .'.split(' ')
const shared = { id: 'chatcmpl-1', created: 1_760_000_000, model: 'bench' }
const head = chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])
const pieces = words.map((word, i) =>
  chunk([{ index: 0, delta: { content: i === 0 ? word : ` ${word}` }, finish_reason: null }]),
)

const server = createServer((request, response) => void answer(request, response))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ ready: 'upstream', url: `http://127.0.0.1:${port}` }))
})
process.stdin.resume().on('end', () => process.exit(0))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'GET') {
    const model = {
      id: 'bench',
      object: 'model',
      created: 1,
      owned_by: 'bench',
      max_model_len: 4096,
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ object: 'list', data: [model] }))
    return
  }
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const body = JSON.parse(Buffer.concat(parts).toString()) as {
    stream?: boolean
    stream_options?: { include_usage?: boolean }
    max_tokens: number
  }
  await wait(Number(thinkMs))
  const count = Math.min(body.max_tokens, words.length)
  const finish_reason = count < words.length ? 'length' : 'stop'
  const usage = { prompt_tokens: 12, completion_tokens: count, total_tokens: 12 + count }
  if (body.stream !== true) {
    const message = { role: 'assistant', content: words.slice(0, count).join(' ') }
    const choices = [{ index: 0, message, finish_reason }]
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ ...shared, object: 'chat.completion', choices, usage }))
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`${head}${pieces.slice(0, count).join('')}`)
  response.write(chunk([{ index: 0, delta: {}, finish_reason }]))
  if (body.stream_options?.include_usage === true) response.write(chunk([], { usage }))
  response.end('data: [DONE]\n\n')
}

function chunk(choices: readonly object[], rest: object = {}): string {
  const body = { ...shared, object: 'chat.completion.chunk', choices, ...rest }
  return `data: ${JSON.stringify(body)}\n\n`
}
