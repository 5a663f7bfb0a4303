import { BadRequestError, NotFoundError, RateLimitError } from 'openai'
import { describe, expect, test } from 'vitest'
import { gatewayOnMemory } from '../../test/gatewayOnMemory.ts'
import * as Receipt from '../protocol/Receipt.ts'
import { BaseError } from '../runtime/Errors.ts'
import { pinoLogger } from '../runtime/pinoLogger.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { defaultModel } from './memoryBuyer.ts'

const model = defaultModel.id
const chat = (content: string) => ({ model, messages: [{ role: 'user' as const, content }] })

class InterruptedError extends BaseError {
  override readonly code = 'Buyer.InterruptedError'
}
class NoProviderError extends BaseError {
  override readonly code = 'Buyer.NoProviderError'
}

describe('startGateway', () => {
  test('lists models and finds one whose id holds a slash', async () => {
    await using at = await gatewayOnMemory()
    const page = await at.client.models.list()
    expect(page.data.map(({ id }) => id)).toEqual([model])
    const one = await at.client.models.retrieve(model)
    expect(one).toMatchObject({ id: model, object: 'model', owned_by: 'weft' })
    expect(one).toMatchObject({ weft: [{ quantisation: 'q8_0', contextTokens: 4096 }] })
    await expect(at.client.models.retrieve('none')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    })
  })

  test('answers a chat and names provider, price, receipt and assurance', async () => {
    await using at = await gatewayOnMemory()
    const { data, response } = await at.client.chat.completions
      .create({ ...chat('good morning'), seed: 7, user: 'someone', metadata: { a: 'b' } })
      .withResponse()
    expect(data.choices[0]!.message.content).toBe('GOOD MORNING')
    expect(data.choices[0]!.finish_reason).toBe('stop')
    expect(data.usage).toEqual({ prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 })
    const { weft } = data as unknown as { weft: { jobs: Record<string, unknown>[] } }
    const [job] = weft.jobs
    expect(weft).toMatchObject({ priceMicroUsd: '24' })
    expect(response.headers.get('weft-provider')).toBe(job!['provider'])
    expect(response.headers.get('weft-price-micro-usd')).toBe('24')
    expect(response.headers.get('weft-receipt')).toBe(job!['receipt'])
    expect(response.headers.get('weft-job')).toBe(job!['job'])
    expect(response.headers.get('weft-assurance')).toBe('unverified; pending')
    const signed = Receipt.deserialize(Buffer.from(JSON.stringify(job!['signedReceipt'])))
    expect(signed.message).toMatchObject({ seed: 7, outputTokens: 2, temperatureMicro: 1_000_000 })
  })

  test('streams a chat; the last chunk carries the receipt', async () => {
    await using at = await gatewayOnMemory()
    const { data, response } = await at.client.chat.completions
      .create({ ...chat('one two three'), stream: true })
      .withResponse()
    expect(response.headers.get('weft-provider')).toMatch(/^0x/)
    expect(response.headers.get('weft-receipt')).toBeNull()
    const chunks = await Array.fromAsync(data)
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant')
    expect(chunks.map((c) => c.choices[0]?.delta.content ?? '').join('')).toBe('ONE TWO THREE')
    expect(chunks.at(-1)).toMatchObject({
      choices: [{ finish_reason: 'stop' }],
      weft: { priceMicroUsd: '36', jobs: [{ receipt: expect.stringMatching(/^0x/) }] },
    })
    expect(chunks.slice(0, -1).every((chunk) => !('weft' in chunk))).toBe(true)
  })

  test('gives usage in a chunk of its own when asked', async () => {
    await using at = await gatewayOnMemory()
    const stream = await at.client.chat.completions.create({
      ...chat('one two'),
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = await Array.fromAsync(stream)
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 4 } })
    expect(chunks.at(-1)).toHaveProperty('weft')
    expect(chunks[0]!.usage).toBeNull()
  })

  test('makes n choices of n jobs with seeds one apart, streamed or not', async () => {
    await using at = await gatewayOnMemory()
    const whole = await at.client.chat.completions.create({ ...chat('hi you'), n: 3, seed: 10 })
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(whole.usage!.completion_tokens).toBe(6)
    const { weft } = whole as unknown as {
      weft: { jobs: { signedReceipt: { message: { seed: number } } }[] }
    }
    expect(weft.jobs.map((job) => job.signedReceipt.message.seed)).toEqual([10, 11, 12])
    const stream = await at.client.chat.completions.create({ ...chat('a b'), n: 2, stream: true })
    const texts = ['', '']
    for await (const { choices } of stream)
      for (const { index, delta } of choices) texts[index] += delta.content ?? ''
    expect(texts).toEqual(['A B', 'A B'])
  })

  test('obeys max_tokens and stop', async () => {
    await using at = await gatewayOnMemory()
    const cut = await at.client.chat.completions.create({ ...chat('a b c d'), max_tokens: 2 })
    expect(cut.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'A B ' } })
    const both = await at.client.chat.completions.create({
      ...chat('a b c d'),
      max_completion_tokens: 3,
      stop: 'B',
    })
    expect(both.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'A ' } })
  })

  test('gives log-probabilities as OpenAI writes them', async () => {
    await using at = await gatewayOnMemory()
    const { choices } = await at.client.chat.completions.create({
      ...chat('hé ho'),
      logprobs: true,
      top_logprobs: 2,
    })
    expect(choices[0]!.logprobs!.content![0]).toEqual({
      token: 'HÉ ',
      logprob: 0,
      bytes: [...Buffer.from('HÉ ')],
      top_logprobs: [
        { token: 'HÉ ', logprob: 0, bytes: [...Buffer.from('HÉ ')] },
        { token: '?', logprob: -1, bytes: [63] },
      ],
    })
    const bare = await at.client.chat.completions.create({ ...chat('hi'), logprobs: true })
    expect(bare.choices[0]!.logprobs!.content![0]!.top_logprobs).toEqual([])
  })

  test('continues texts, several prompts at once', async () => {
    await using at = await gatewayOnMemory()
    const { choices, usage } = await at.client.completions.create({
      model,
      prompt: ['x y', 'z'],
      n: 2,
      logprobs: 1,
      best_of: 1,
    })
    expect(choices.map(({ index, text }) => [index, text])).toEqual([
      [0, 'X Y'],
      [1, 'X Y'],
      [2, 'Z'],
      [3, 'Z'],
    ])
    expect(choices[2]!.logprobs).toMatchObject({ tokens: ['Z'], top_logprobs: [{ Z: 0 }] })
    expect(usage!.completion_tokens).toBe(6)
    const stream = await at.client.completions.create({ model, prompt: 'a b', stream: true })
    const chunks = await Array.fromAsync(stream)
    expect(chunks.map((chunk) => chunk.choices[0]!.text).join('')).toBe('A B')
    expect(chunks.at(-1)).toHaveProperty('weft')
  })

  test('aborts the job when the client closes a stream, and charges nothing', async () => {
    await using at = await gatewayOnMemory({ buyer: { deltaMs: 100 } })
    const words = Array.from({ length: 200 }, (_, i) => `w${i}`).join(' ')
    const stream = await at.client.chat.completions.create({ ...chat(words), stream: true })
    let seen = 0
    for await (const _ of stream) if (++seen === 4) break
    await expect.poll(() => at.buyer.aborted.length).toBe(1)
    const record = await at.buyer.job(at.buyer.aborted[0]!)
    expect(record).toMatchObject({ state: 'failed', priceMicroUsd: 0n })
    await expect
      .poll(async () => await (await at.call('/v1/weft/balance')).json())
      .toMatchObject({ key: { spentMicroUsd: '0', reservedMicroUsd: '0' } })
  })

  test('aborts the jobs of a whole answer when the client goes away', async () => {
    await using at = await gatewayOnMemory({ buyer: { deltaMs: 10_000 } })
    const controller = new AbortController()
    const words = Array.from({ length: 200 }, (_, i) => `w${i}`).join(' ')
    const pending = at.client.chat.completions.create(
      { ...chat(words), n: 3 },
      { signal: controller.signal },
    )
    await expect.poll(async () => (await at.buyer.jobs()).length).toBe(3)
    controller.abort()
    await expect(pending).rejects.toThrow('abort')
    await expect.poll(() => at.buyer.aborted.length).toBe(3)
  })

  test('turns a failure before the first token into a status, after it into a last event', async () => {
    const broken = new InterruptedError('The provider stopped.')
    await using at = await gatewayOnMemory({
      buyer: {
        fail: ({ input }, position) =>
          input.kind === 'chat' && input.messages[0]!.content.startsWith(`fail ${position}`)
            ? broken
            : undefined,
      },
    })
    const create = (content: string, stream: boolean) =>
      at.client.chat.completions.create({ ...chat(content), stream })
    const early = { status: 502, code: 'provider_failed', type: 'server_error' }
    await expect(create('fail start', false)).rejects.toMatchObject(early)
    await expect(create('fail start', true)).rejects.toMatchObject(early)
    await expect(create('fail 0', true)).rejects.toMatchObject(early)
    await expect(create('fail 2 x y', false)).rejects.toMatchObject(early)
    const stream = await at.client.chat.completions.create({ ...chat('fail 2 x y'), stream: true })
    const texts: (string | null | undefined)[] = []
    const read = async () => {
      for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content)
    }
    await expect(read()).rejects.toMatchObject({ code: 'provider_failed' })
    expect(texts).toEqual(['', 'FAIL ', '2 '])
    const balance = (await (await at.call('/v1/weft/balance')).json()) as object
    expect(balance).toMatchObject({ key: { spentMicroUsd: '0' } })
  })

  test('says why when nobody would serve', async () => {
    const why = new NoProviderError('No provider would serve this.', {
      metaMessages: ['0xaa: price above the ceiling'],
    })
    await using at = await gatewayOnMemory({ buyer: { fail: () => why } })
    const failed = await at.client.chat.completions.create(chat('x')).catch((error) => error)
    expect(failed).toMatchObject({ status: 503, code: 'no_provider' })
    expect(failed.message).toContain('price above the ceiling')
    expect(failed.headers.get('retry-after')).toBe('2')
  })

  test('refuses by name what it does not support', async () => {
    await using at = await gatewayOnMemory()
    const refused = async (extra: object) => {
      const body = { ...chat('x'), ...extra }
      const error = await at.client.chat.completions.create(body).catch((e) => e)
      expect(error).toBeInstanceOf(BadRequestError)
      return [error.param, error.code]
    }
    const tool = { type: 'function', function: { name: 'f' } }
    expect(await refused({ tools: [tool] })).toEqual(['tools', 'unsupported_parameter'])
    expect(await refused({ response_format: { type: 'json_object' } })).toEqual([
      'response_format',
      'unsupported_parameter',
    ])
    expect(await refused({ frequency_penalty: 0.5 })).toEqual([
      'frequency_penalty',
      'unsupported_parameter',
    ])
    expect(await refused({ flavour: 1 })).toEqual(['flavour', 'unknown_parameter'])
    expect(await refused({ temperature: 3 })).toEqual(['temperature', 'invalid_value'])
    expect(await refused({ n: 17 })).toEqual(['n', 'invalid_value'])
    expect(await refused({ seed: -1 })).toEqual(['seed', 'invalid_value'])
    expect(await refused({ messages: [] })).toEqual(['messages', 'invalid_value'])
    expect(await refused({ messages: undefined })).toEqual([
      'messages',
      'missing_required_parameter',
    ])
    const image = { type: 'image_url', image_url: { url: 'x' } }
    expect(await refused({ messages: [{ role: 'user', content: [image] }] })).toEqual([
      'messages[0].content[0].type',
      'unsupported_parameter',
    ])
    expect(await refused({ messages: [{ role: 'tool', content: 'x' }] })).toEqual([
      'messages[0].role',
      'unsupported_parameter',
    ])
    const fine = { tools: [], response_format: { type: 'text' }, frequency_penalty: 0, stop: null }
    const body = { ...chat('x'), ...(fine as object), store: true }
    expect((await at.client.chat.completions.create(body)).choices).toHaveLength(1)
  })

  test('answers in OpenAI’s shape to bodies that are no request', async () => {
    await using at = await gatewayOnMemory({ gateway: { bodyLimitBytes: 1000 } })
    const post = async (body: string, type = 'application/json') => {
      const headers = { 'content-type': type }
      const reply = await at.call('/v1/chat/completions', { method: 'POST', body, headers })
      return [reply.status, ((await reply.json()) as { error: { code: string } }).error.code]
    }
    expect(await post('{')).toEqual([400, 'invalid_json'])
    expect(await post('')).toEqual([400, 'invalid_json'])
    expect(await post('[]')).toEqual([400, 'invalid_json'])
    expect(await post('{"__proto__":{"a":1}}')).toEqual([400, 'invalid_json'])
    expect(await post('a=b', 'application/x-www-form-urlencoded')).toEqual([
      415,
      'unsupported_media_type',
    ])
    expect(await post(JSON.stringify(chat('x'.repeat(2000))))).toEqual([413, 'request_too_large'])
    const nowhere = await at.call('/v1/nothing')
    expect([nowhere.status, (await nowhere.json()) as object]).toMatchObject([
      404,
      { error: { code: 'unknown_url' } },
    ])
  })

  test('does not know a model that nobody offers, and says when nobody offers any', async () => {
    await using at = await gatewayOnMemory()
    const wrong = at.client.chat.completions.create({ ...chat('x'), model: 'gpt-9' })
    await expect(wrong).rejects.toBeInstanceOf(NotFoundError)
    await expect(wrong).rejects.toMatchObject({ code: 'model_not_found', param: 'model' })
    await using empty = await gatewayOnMemory({ buyer: { models: [] } })
    await expect(empty.client.chat.completions.create(chat('x'))).rejects.toMatchObject({
      status: 503,
      code: 'no_provider',
    })
  })

  test('passes the wanted tier and price on, and refuses wrong ones', async () => {
    await using at = await gatewayOnMemory()
    const headers = { 'weft-tier': 'statistical', 'weft-max-micro-usd': '100000' }
    const { response } = await at.client.chat.completions
      .create(chat('x'), { headers })
      .withResponse()
    expect(response.headers.get('weft-assurance')).toBe('statistical; pending')
    const dear = at.client.chat.completions.create(chat('x'), {
      headers: { 'weft-max-micro-usd': '5' },
    })
    await expect(dear).rejects.toMatchObject({ status: 402, code: 'price_over_limit' })
    const odd = at.client.chat.completions.create(chat('x'), { headers: { 'weft-tier': 'gold' } })
    await expect(odd).rejects.toMatchObject({ status: 400, param: 'weft-tier' })
  })

  test('shows a job to the key that bought it, and to no other', async () => {
    await using at = await gatewayOnMemory()
    const { response } = await at.client.chat.completions.create(chat('x')).withResponse()
    const path = `/v1/weft/jobs/${response.headers.get('weft-job')}`
    await expect
      .poll(async () => await (await at.call(path)).json())
      .toMatchObject({ state: 'paid', priceMicroUsd: '12', model })
    const { createKey } = await import('./keys.ts')
    const other = await createKey(at.ports, { name: 'other', capMicroUsd: 1n })
    const headers = { authorization: `Bearer ${other.secret}` }
    expect((await at.call(path, { headers })).status).toBe(404)
    expect((await at.call('/v1/weft/jobs/nonsense')).status).toBe(404)
  })

  test('stops an answer that takes too long', async () => {
    await using at = await gatewayOnMemory({
      buyer: { deltaMs: 10_000 },
      gateway: { timeoutMs: 60 },
    })
    const late = { status: 504, code: 'timeout' }
    await expect(at.client.chat.completions.create(chat('x'))).rejects.toMatchObject(late)
    const stream = at.client.chat.completions.create({ ...chat('x'), stream: true })
    await expect(stream).rejects.toMatchObject(late)
  })

  test('ends what is in flight when it stops', async () => {
    const at = await gatewayOnMemory({ buyer: { deltaMs: 10_000 } })
    const pending = at.client.chat.completions.create(chat('x')).catch((error) => error)
    await expect.poll(async () => (await at.buyer.jobs()).length).toBe(1)
    await at[Symbol.asyncDispose]()
    expect(await pending).toMatchObject({ status: 503, code: 'stopping' })
    expect(at.buyer.aborted).toHaveLength(1)
  })

  test('says who holds a port that is taken', async () => {
    await using at = await gatewayOnMemory()
    const second = gatewayOnMemory({ gateway: { port: at.gateway.port } })
    await expect(second).rejects.toMatchObject({ code: 'Gateway.ListenError' })
    await expect(second).rejects.toThrow('--port')
  })
})

describe('the door', () => {
  test('no route but health opens without a key, whatever the method', async () => {
    const routes: { method: string; url: string }[] = []
    await using at = await gatewayOnMemory({
      gateway: {
        onServer: (app) =>
          void app.addHook('onRoute', ({ method, url }) => {
            for (const one of [method].flat()) routes.push({ method: one, url })
          }),
      },
    })
    const urls = new Set(routes.map(({ url }) => url))
    expect([...urls].toSorted()).toEqual([
      '/healthz',
      '/metrics',
      '/v1/chat/completions',
      '/v1/completions',
      '/v1/models',
      '/v1/models/*',
      '/v1/responses',
      '/v1/responses/:id',
      '/v1/weft/balance',
      '/v1/weft/jobs/:id',
      '/v1/weft/leases',
    ])
    for (const { method, url } of routes) {
      const reply = await fetch(`${at.gateway.url}${url}`, { method })
      expect([method, url, reply.status]).toEqual([method, url, url === '/healthz' ? 200 : 401])
    }
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      expect((await fetch(`${at.gateway.url}/anything`, { method })).status).toBe(401)
  })

  test('says what is wrong with a key', async () => {
    const system = systemClock()
    let aheadMs = 0
    const clock = { ...system, now: () => system.now() + aheadMs }
    await using at = await gatewayOnMemory({ clock, key: { expiresAt: clock.now() + 3_600_000 } })
    const codeFor = async (authorization?: string) => {
      const headers = authorization === undefined ? {} : { authorization }
      const reply = await fetch(`${at.gateway.url}/v1/models`, { headers })
      expect(reply.headers.get('www-authenticate')).toBe('Bearer')
      return ((await reply.json()) as { error: { code: string } }).error.code
    }
    expect(await codeFor()).toBe('missing_api_key')
    expect(await codeFor('Basic abc')).toBe('missing_api_key')
    expect(await codeFor('Bearer wrong')).toBe('invalid_api_key')
    expect(await codeFor(`Bearer weft-sk-${'A'.repeat(43)}`)).toBe('invalid_api_key')
    aheadMs = 3_600_000
    expect(await codeFor(`Bearer ${at.secret}`)).toBe('expired_api_key')
    const { revokeKey } = await import('./keys.ts')
    await revokeKey(at.ports, at.apiKey.id)
    expect(await codeFor(`Bearer ${at.secret}`)).toBe('revoked_api_key')
  })

  test('never logs a key, nor what was asked and answered', async () => {
    const lines: string[] = []
    const logger = pinoLogger({ level: 'debug', destination: { write: (l) => lines.push(l) } })
    await using at = await gatewayOnMemory({ logger, key: { operator: true } })
    await at.client.chat.completions.create(chat('private words'))
    await at.client.chat.completions
      .create(chat('x'), { headers: { 'weft-tier': 'no' } })
      .catch(() => 0)
    await at.call(`/v1/models?api_key=${at.secret}`)
    await fetch(`${at.gateway.url}/v1/models`, { headers: { authorization: 'Bearer weft-sk-no' } })
    await at.call('/metrics')
    const log = lines.join('')
    expect(log).toContain(at.apiKey.id)
    expect(log).not.toContain(at.secret)
    expect(log).not.toContain(at.secret.slice(8, 20))
    expect(log).not.toContain('weft-sk-no')
    expect(log.toLowerCase()).not.toContain('private')
  })

  test('lets a page of the chosen origin in, and no other', async () => {
    await using at = await gatewayOnMemory({ gateway: { corsOrigin: 'https://a.example' } })
    const ask = (origin: string) => at.call('/v1/models', { headers: { origin } })
    expect((await ask('https://a.example')).headers.get('access-control-allow-origin')).toBe(
      'https://a.example',
    )
    expect((await ask('https://b.example')).headers.get('access-control-allow-origin')).toBeNull()
    const preflight = await fetch(`${at.gateway.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://a.example',
        'access-control-request-headers': 'authorization, content-type',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization')
    const page = await fetch(`${at.gateway.url}/v1/models`, {
      headers: { origin: 'https://a.example' },
    })
    expect(page.status).toBe(401)
  })

  test('shows metrics and the buyer’s money to operators alone', async () => {
    await using at = await gatewayOnMemory()
    expect((await at.call('/metrics')).status).toBe(403)
    expect((await at.call('/v1/weft/leases')).status).toBe(403)
    expect(await (await at.call('/v1/weft/balance')).json()).not.toHaveProperty('buyer')
    await using operator = await gatewayOnMemory({ key: { operator: true } })
    await operator.client.chat.completions.create(chat('one two'))
    await expect
      .poll(async () => await (await operator.call('/metrics')).text())
      .toContain('weft_gateway_charged_micro_usd 24')
    const text = await (await operator.call('/metrics')).text()
    expect(text).toContain('weft_gateway_tokens_total{kind="output"} 2')
    expect(text).toMatch(
      /requests_total\{route="\/v1\/chat\/completions",method="POST",status="200"\} 1/,
    )
    expect(await (await operator.call('/v1/weft/balance')).json()).toMatchObject({
      key: { spentMicroUsd: '24', capMicroUsd: '1000000' },
      buyer: { freeMicroUsd: '600000' },
    })
  })
})

describe('the limits of a key', () => {
  test('stop it at its cap, and tell clients not to try again', async () => {
    await using at = await gatewayOnMemory({ key: { capMicroUsd: 900n } })
    const ask = () => at.client.chat.completions.create({ ...chat('a b'), max_tokens: 2 })
    for (let spent = 0n; spent + 604n <= 900n; spent += 24n) await ask()
    const refused = await ask().catch((error: unknown) => error as RateLimitError)
    expect(refused).toBeInstanceOf(RateLimitError)
    expect(refused).toMatchObject({ status: 429, code: 'insufficient_quota' })
    expect((refused as RateLimitError).headers?.get('x-should-retry')).toBe('false')
  })

  test('hold its rate and its answers at once', async () => {
    const clock = { ...systemClock(), now: () => 1_700_000_000_000 }
    await using slow = await gatewayOnMemory({ clock, key: { requestsPerMinute: 2 } })
    const first = await slow.call('/v1/models')
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1')
    await slow.call('/v1/models')
    const third = await slow.call('/v1/models')
    expect([third.status, third.headers.get('retry-after')]).toEqual([429, '30'])
    await using narrow = await gatewayOnMemory({ key: { concurrency: 2 } })
    const wide = narrow.client.chat.completions.create({ ...chat('x'), n: 3 })
    await expect(wide).rejects.toMatchObject({ status: 429, code: 'rate_limit_exceeded' })
    expect(
      (await narrow.client.chat.completions.create({ ...chat('x'), n: 2 })).choices,
    ).toHaveLength(2)
  })
})
