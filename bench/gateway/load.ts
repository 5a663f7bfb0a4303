import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'

/** Where to ask, and with what key. */
export type Target = { readonly url: string; readonly apiKey: string; readonly model: string }

/** A client that keeps its connections, so that both sides are asked in the same cheap way. */
export function loadClient(connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' })
  const ask = ({ url, apiKey, model }: Target): Promise<number> => {
    const start = performance.now()
    const body = JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'What does the weft do?' }],
      max_tokens: 32,
      temperature: 0,
      seed: 1,
    })
    return new Promise((resolve, reject) => {
      const sent = request(
        `${url}/v1/chat/completions`,
        {
          agent,
          method: 'POST',
          headers: {
            authorization: `Bearer ${apiKey}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (reply) => {
          const pieces: Buffer[] = []
          reply.on('data', (piece: Buffer) => pieces.push(piece))
          reply.on('error', reject)
          reply.on('end', () => {
            if (reply.statusCode === 200) return resolve(performance.now() - start)
            const text = Buffer.concat(pieces).toString()
            reject(new Error(`${url} answered ${reply.statusCode}: ${text.slice(0, 300)}`))
          })
        },
      )
      sent.on('error', reject)
      sent.end(body)
    })
  }
  return {
    /** Milliseconds that one answer takes, whole. */
    latencyMs: ask,
    /** Answers a second that `concurrency` callers get who ask one after another for a while. */
    async perSecond(target: Target, options: { concurrency: number; seconds: number }) {
      const start = performance.now()
      const end = start + options.seconds * 1000
      let answers = 0
      const caller = async () => {
        while (performance.now() < end) {
          await ask(target)
          answers++
        }
      }
      await Promise.all(Array.from({ length: options.concurrency }, caller))
      return (answers * 1000) / (performance.now() - start)
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}
