import { NotFoundError } from 'openai'
import { describe, expect, test } from 'vitest'
import { gatewayOnMemory } from '../../test/gatewayOnMemory.ts'
import { BaseError } from '../runtime/Errors.ts'
import { createKey } from './keys.ts'
import { defaultModel } from './memoryBuyer.ts'

const model = defaultModel.id

class InterruptedError extends BaseError {
  override readonly code = 'Buyer.InterruptedError'
}

describe('POST /v1/responses', () => {
  test('answers a text', async () => {
    await using at = await gatewayOnMemory()
    const { data, response } = await at.client.responses
      .create({ model, input: 'good day', instructions: 'be loud', metadata: { a: 'b' } })
      .withResponse()
    expect(data.output_text).toBe('GOOD DAY')
    expect(data).toMatchObject({
      object: 'response',
      status: 'completed',
      instructions: 'be loud',
      metadata: { a: 'b' },
      usage: { output_tokens: 2, total_tokens: 6 },
      weft: { jobs: [{ job: response.headers.get('weft-job') }] },
    })
    expect(response.headers.get('weft-receipt')).toMatch(/^0x/)
  })

  test('answers messages in all their shapes', async () => {
    await using at = await gatewayOnMemory()
    const { output_text } = await at.client.responses.create({
      model,
      input: [
        { role: 'developer', content: 'x' },
        { type: 'message', role: 'assistant', content: 'y' },
        { role: 'user', content: [{ type: 'input_text', text: 'so it is' }] },
      ],
    })
    expect(output_text).toBe('SO IT IS')
  })

  test('says when the tokens ran out', async () => {
    await using at = await gatewayOnMemory()
    const cut = await at.client.responses.create({ model, input: 'a b c', max_output_tokens: 1 })
    expect(cut).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    })
    const body = { model, input: 'a b c', max_output_tokens: 1, stream: true } as const
    const events = await Array.fromAsync(await at.client.responses.create(body))
    expect(events.at(-1)!.type).toBe('response.incomplete')
  })

  test('streams the events in OpenAI’s order, numbered', async () => {
    await using at = await gatewayOnMemory()
    const stream = await at.client.responses.create({ model, input: 'one two', stream: true })
    const events = await Array.fromAsync(stream)
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()])
    expect(events.at(-1)).toMatchObject({
      response: { output: [{ content: [{ text: 'ONE TWO' }] }], weft: { priceMicroUsd: '24' } },
    })
    const helped = at.client.responses.stream({ model, input: 'three four' })
    expect((await helped.finalResponse()).output_text).toBe('THREE FOUR')
  })

  test('ends a broken stream with response.failed', async () => {
    await using at = await gatewayOnMemory({
      buyer: {
        fail: (_, position) => (position === 1 ? new InterruptedError('Gone.') : undefined),
      },
    })
    const stream = await at.client.responses.create({ model, input: 'one two', stream: true })
    const events = await Array.fromAsync(stream)
    expect(events.at(-1)).toMatchObject({
      type: 'response.failed',
      sequence_number: events.length - 1,
      response: { status: 'failed', error: { code: 'provider_failed', message: 'Gone.' } },
    })
  })

  test('gives log-probabilities when included', async () => {
    await using at = await gatewayOnMemory()
    const { output } = await at.client.responses.create({
      model,
      input: 'hi',
      include: ['message.output_text.logprobs'],
      top_logprobs: 1,
    })
    expect(output).toMatchObject([
      { content: [{ logprobs: [{ token: 'HI', top_logprobs: [{ token: 'HI' }] }] }] },
    ])
  })

  test.each([
    [{ tools: [{ type: 'web_search' }] }, 'tools'],
    [{ background: true }, 'background'],
    [{ truncation: 'auto' }, 'truncation'],
    [{ text: { format: { type: 'json_object' } } }, 'text'],
    [{ reasoning: { effort: 'high' } }, 'reasoning'],
    [{ include: ['file_search_call.results'] }, 'include[0]'],
    [{ conversation: 'c' }, 'conversation'],
    [{ top_logprobs: 2 }, 'top_logprobs'],
    [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0].type'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0].type'],
    [{ input: undefined }, 'input'],
  ])('refuses %o by name', async (extra, param) => {
    await using at = await gatewayOnMemory()
    const body = { model, input: 'x', ...(extra as object) }
    await expect(at.client.responses.create(body)).rejects.toMatchObject({ status: 400, param })
  })
})

describe('stored responses', () => {
  test('can be had again, continued and deleted', async () => {
    await using at = await gatewayOnMemory()
    const first = await at.client.responses.create({ model, input: 'one' })
    expect(await at.client.responses.retrieve(first.id)).toMatchObject({
      id: first.id,
      output_text: 'ONE',
    })
    const second = await at.client.responses.create({
      model,
      input: 'two',
      previous_response_id: first.id,
    })
    expect(second).toMatchObject({
      output_text: 'TWO',
      previous_response_id: first.id,
      usage: { input_tokens: 3 },
    })
    await at.client.responses.delete(first.id)
    await expect(at.client.responses.retrieve(first.id)).rejects.toBeInstanceOf(NotFoundError)
    await expect(
      at.client.responses.create({ model, input: 'x', previous_response_id: first.id }),
    ).rejects.toMatchObject({ status: 404, code: 'previous_response_not_found' })
  })

  test('are there as soon as a stream has ended', async () => {
    await using at = await gatewayOnMemory()
    const stream = await at.client.responses.create({ model, input: 'one two', stream: true })
    for await (const event of stream)
      if (event.type === 'response.completed')
        expect((await at.client.responses.retrieve(event.response.id)).output_text).toBe('ONE TWO')
  })

  test('leave nothing behind with store: false', async () => {
    await using at = await gatewayOnMemory()
    const { id, ...rest } = await at.client.responses.create({ model, input: 'x', store: false })
    expect(rest).toMatchObject({ store: false })
    await expect(at.client.responses.retrieve(id)).rejects.toMatchObject({
      status: 404,
      code: 'response_not_found',
    })
    expect(await at.store.list('gateway-responses')).toEqual([])
  })

  test('belong to their key', async () => {
    await using at = await gatewayOnMemory()
    const { id } = await at.client.responses.create({ model, input: 'x' })
    const { secret } = await createKey(at.ports, { name: 'other', capMicroUsd: 1n })
    const headers = { authorization: `Bearer ${secret}` }
    const path = `/v1/responses/${id}`
    expect((await at.call(path, { headers })).status).toBe(404)
    expect((await at.call(path, { headers, method: 'DELETE' })).status).toBe(404)
    expect((await at.call(path)).status).toBe(200)
  })

  test('make room for new ones, and grow too old', async () => {
    await using at = await gatewayOnMemory({ gateway: { responses: { limit: 3 } } })
    const ids: string[] = []
    for (const input of ['1', '2', '3', '4', '5'])
      ids.push((await at.client.responses.create({ model, input })).id)
    expect(await at.store.list('gateway-responses')).toHaveLength(3)
    expect((await at.client.responses.retrieve(ids[4]!)).output_text).toBe('5')
    expect((await at.call(`/v1/responses/${ids[0]}`)).status).toBe(404)
    await using brief = await gatewayOnMemory({ gateway: { responses: { retentionMs: 0 } } })
    const { id } = await brief.client.responses.create({ model, input: 'x' })
    expect((await brief.call(`/v1/responses/${id}`)).status).toBe(404)
  })
})
