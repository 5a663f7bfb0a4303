import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../../runtime/Errors.ts'
import { byteStatistics, contextAfter } from './byteStatistics.ts'
import { chatPrompt } from './chatPrompt.ts'
import { draw, sampleToken } from './sampleToken.ts'
import { slotPool } from './slotPool.ts'
import { textStream } from './textStream.ts'

describe('textStream', () => {
  const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 3 }))
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }),
    { maxLength: 3 },
  )
  const feed = (texts: readonly string[], stop: readonly string[]) => {
    const stream = textStream({ stop })
    const shown: string[] = []
    const ids: number[] = []
    let fed = 0
    for (const [index, text] of texts.entries()) {
      const delta = stream.push({ text, tokenIds: [index], logprobs: [] })
      fed++
      shown.push(delta?.text ?? '')
      ids.push(...(delta?.tokenIds ?? []))
      if (stream.stopped) break
    }
    const rest = stream.end()
    return { shown, rest: rest?.text ?? '', ids: [...ids, ...(rest?.tokenIds ?? [])], stream, fed }
  }

  test('shows exactly the text before the first stop string', () => {
    fc.assert(
      fc.property(pieces, stops, (texts, stop) => {
        const { shown, rest, stream, fed } = feed(texts, stop)
        const all = texts.slice(0, fed).join('')
        const cuts = stop.map((s) => all.indexOf(s)).filter((at) => at >= 0)
        expect(stream.stopped).toBe(cuts.length > 0)
        expect(shown.join('') + rest).toBe(cuts.length > 0 ? all.slice(0, Math.min(...cuts)) : all)
      }),
    )
  })

  test('never shows text that a stop string takes back', () => {
    fc.assert(
      fc.property(pieces, stops, (texts, stop) => {
        const { shown, stream, fed } = feed(texts, stop)
        const all = texts.slice(0, fed).join('')
        const early = shown.slice(0, -1).join('')
        const cut = Math.min(...stop.map((s) => all.indexOf(s)).filter((at) => at >= 0))
        if (stream.stopped) expect(early.length).toBeLessThanOrEqual(cut)
      }),
    )
  })

  test('gives the ids of all tokens, in order', () => {
    fc.assert(
      fc.property(pieces, stops, (texts, stop) => {
        const { ids, fed } = feed(texts, stop)
        expect(ids).toEqual(Array.from({ length: fed }, (_, index) => index))
      }),
    )
  })

  test('holds nothing back without stop strings', () => {
    expect(feed(['a', 'b'], []).shown).toEqual(['a', 'b'])
  })
})

describe('sampleToken', () => {
  const logits = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), {
    minLength: 1,
    maxLength: 40,
  })
  const settings = {
    temperatureMicro: fc.integer({ min: 1, max: 2_000_000 }),
    topPMicro: fc.integer({ min: 0, max: 1_000_000 }),
    seed: fc.integer({ min: 0, max: 0xffffffff }),
    position: fc.nat({ max: 100_000 }),
  }
  const candidates = (values: readonly number[]) => values.map((logit, token) => ({ token, logit }))

  test('takes the best when greedy, the smaller id among equals', () => {
    const options = { temperatureMicro: 0, topPMicro: 1_000_000, seed: 1, position: 0 }
    expect(sampleToken(candidates([1, 3, 3, 2]), options).token).toBe(1)
  })

  test('does not depend on the order of the candidates', () => {
    fc.assert(
      fc.property(logits, fc.record(settings), (values, options) => {
        const all = candidates(values)
        expect(sampleToken(all.toReversed(), options)).toEqual(sampleToken(all, options))
      }),
    )
  })

  test('takes the best alone when topP is 0', () => {
    fc.assert(
      fc.property(logits, fc.record({ ...settings, topPMicro: fc.constant(0) }), (v, options) => {
        const { logit } = sampleToken(candidates(v), options)
        expect(logit).toBe(Math.max(...v))
      }),
    )
  })

  test('takes tokens as often as they are likely', () => {
    const all = candidates([Math.log(0.5), Math.log(0.3), Math.log(0.2)])
    const counts = [0, 0, 0]
    for (let position = 0; position < 20_000; position++) {
      const options = { temperatureMicro: 1_000_000, topPMicro: 1_000_000, seed: 9, position }
      counts[sampleToken(all, options).token]!++
    }
    counts.forEach((count, i) => expect(count / 20_000).toBeCloseTo([0.5, 0.3, 0.2][i]!, 1))
  })

  test('keeps only what reaches topP', () => {
    const all = candidates([Math.log(0.5), Math.log(0.3), Math.log(0.2)])
    for (let position = 0; position < 500; position++) {
      const options = { temperatureMicro: 1_000_000, topPMicro: 700_000, seed: 9, position }
      expect(sampleToken(all, options).token).toBeLessThan(2)
    }
  })

  test('refuses scores that are none', () => {
    const options = { temperatureMicro: 0, topPMicro: 0, seed: 0, position: 0 }
    expect(() => sampleToken([], options)).toThrow(RangeError)
    expect(() => sampleToken(candidates([Number.NaN]), options)).toThrow(RangeError)
  })
})

describe('draw', () => {
  test('is a fixed function of seed and position', () => {
    expect([draw(0, 0), draw(1, 0), draw(0, 1)]).toMatchInlineSnapshot(`
      [
        0.6848974799809221,
        0.79584172113202,
        0.8013669302003359,
      ]
    `)
  })

  test('spreads over [0, 1)', () => {
    const draws = Array.from({ length: 4096 }, (_, position) => draw(7, position))
    expect(draws.every((value) => value >= 0 && value < 1)).toBe(true)
    expect(draws.reduce((sum, value) => sum + value, 0) / 4096).toBeCloseTo(0.5, 1)
  })
})

describe('slotPool', () => {
  const resources = () => {
    const disposed: number[] = []
    let opened = 0
    const open = async () => {
      const id = opened++
      return { id, [Symbol.asyncDispose]: async () => void disposed.push(id) }
    }
    return { open, disposed, opened: () => opened }
  }

  test('opens when needed, at most so many, and uses again', async () => {
    const { open, opened } = resources()
    const pool = slotPool({ size: 2, open })
    const first = await pool.acquire({})
    await first[Symbol.asyncDispose]()
    const again = await pool.acquire({})
    expect(again.value).toBe(first.value)
    const second = await pool.acquire({})
    const third = pool.acquire({})
    await second[Symbol.asyncDispose]()
    expect((await third).value).toBe(second.value)
    expect(opened()).toBe(2)
  })

  test('limits the line, and lets the aborted leave it', async () => {
    const { open } = resources()
    const pool = slotPool({ size: 1, waiting: 1, open })
    const held = await pool.acquire({})
    const controller = new AbortController()
    const waiting = pool.acquire({ signal: controller.signal })
    await expect(pool.acquire({})).rejects.toThrow('Too many jobs wait')
    controller.abort(new Error('left'))
    await expect(waiting).rejects.toThrow('left')
    const next = pool.acquire({})
    await held[Symbol.asyncDispose]()
    expect((await next).value).toBe(held.value)
  })

  test('tries again after an opening that failed', async () => {
    let attempts = 0
    const pool = slotPool({
      size: 1,
      open: async () => {
        if (attempts++ === 0) throw new Error('no memory')
        return { [Symbol.asyncDispose]: async () => {} }
      },
    })
    await expect(pool.acquire({})).rejects.toThrow('no memory')
    expect(await pool.acquire({})).toBeDefined()
  })

  test('disposes of everything, lent or not, and sends the waiting away', async () => {
    const { open, disposed } = resources()
    const pool = slotPool({ size: 2, open })
    const lent = await pool.acquire({})
    const returned = await pool.acquire({})
    const waiting = pool.acquire({})
    await returned[Symbol.asyncDispose]()
    await waiting
    const late = pool.acquire({})
    await Promise.all([expect(late).rejects.toThrow('closed'), pool[Symbol.asyncDispose]()])
    expect(disposed.toSorted((a, b) => a - b)).toEqual([0, 1])
    await lent[Symbol.asyncDispose]()
    await expect(pool.acquire({})).rejects.toThrow('closed')
  })
})

describe('chatPrompt', () => {
  const messages = [
    { role: 'developer' as const, content: 'Be brief.' },
    { role: 'user' as const, content: 'Hi' },
  ]
  const model = { template: undefined, bos: '<s>', eos: '</s>' }

  test('is plain without a template', () => {
    expect(chatPrompt(messages, model)).toBe('system: Be brief.\nuser: Hi\nassistant:')
  })

  test('follows the template, with its control tokens and the prompt for an answer', () => {
    const template =
      '{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}' +
      '{% if add_generation_prompt %}<|assistant|>{% endif %}'
    expect(chatPrompt(messages, { ...model, template })).toBe(
      '<s><|system|>Be brief.</s><|user|>Hi</s><|assistant|>',
    )
  })

  test('knows no today', () => {
    const template = '{% if strftime_now is defined %}{{ strftime_now("%d %b %Y") }}{% endif %}'
    expect(chatPrompt(messages, { ...model, template })).toBe('26 Jul 2024')
  })

  test('says why a template refuses', () => {
    const refuse = () =>
      chatPrompt(messages, { ...model, template: '{{ raise_exception("odd") }}' })
    expect(refuse).toThrow(/odd/)
    try {
      chatPrompt(messages, { ...model, template: '{% if %}' })
    } catch (error) {
      expect(codeOf(error)).toBe('Engine.UnsupportedError')
    }
  })
})

describe('byteStatistics and contextAfter', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const statistics = byteStatistics([bytes('abcabcabcabd')], { smoothing: 0.01, contexts: 8 })

  test('knows its alphabet', () => {
    expect(statistics.alphabet).toEqual([...bytes('abcd')])
  })

  test('gives distributions', () => {
    for (const { logProbabilities } of statistics.contexts)
      expect(logProbabilities.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 9)
  })

  test('takes the longest context it has', () => {
    const [a, b, c] = [0, 1, 2]
    const context = contextAfter(statistics, [b, a, c])
    expect(context?.symbols).toEqual([b, a, c].slice(0, context?.symbols.length))
    expect(contextAfter(statistics, [94, 94, 94])?.symbols ?? []).not.toContain(a)
  })

  test('links each context to the longest shorter one', () => {
    for (const { symbols, parent } of statistics.contexts)
      if (parent) expect(symbols.slice(0, parent.symbols.length)).toEqual(parent.symbols)
  })
})
