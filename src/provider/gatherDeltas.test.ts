import { describe, expect, test } from 'vitest'
import type * as Completion from '../protocol/Completion.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { gatherDeltas } from './gatherDeltas.ts'

const delta = (text: string, id = text.length): Completion.Delta => ({ text, tokenIds: [id] })

async function read<end>(deltas: AsyncGenerator<Completion.Delta, end, undefined>) {
  const texts: string[] = []
  for (;;) {
    const step = await deltas.next()
    if (step.done) return { texts, end: step.value }
    texts.push(step.value.text)
  }
}

describe('gatherDeltas', () => {
  test('passes on as one what is there at once, and returns what the source returns', async () => {
    async function* source() {
      yield delta('a')
      yield delta('b')
      yield delta('cc')
      return 'end'
    }
    expect(await read(gatherDeltas(source()))).toEqual({ texts: ['abcc'], end: 'end' })
    const [first] = await Array.fromAsync(gatherDeltas(source()))
    expect(first).toEqual({ text: 'abcc', tokenIds: [1, 1, 2] })
  })

  test('waits for nothing: what comes later is a delta of its own', async () => {
    const clock = virtualClock()
    async function* source() {
      yield delta('a')
      yield delta('b')
      await clock.sleep(10)
      yield delta('c')
      await clock.sleep(10)
      return undefined
    }
    const done = read(gatherDeltas(source()))
    await clock.run(clock.now() + 1000)
    expect((await done).texts).toEqual(['ab', 'c'])
  })

  test('keeps log-probabilities', async () => {
    const logprobs = (token: string) => [{ token, logprob: -1, top: [] }]
    async function* source() {
      yield { ...delta('a'), logprobs: logprobs('a') }
      yield { ...delta('b'), logprobs: logprobs('b') }
    }
    const [only] = await Array.fromAsync(gatherDeltas(source()))
    expect(only!.logprobs!.map(({ token }) => token)).toEqual(['a', 'b'])
  })

  test('delivers what came before a failure, then fails', async () => {
    async function* source() {
      yield delta('a')
      yield delta('b')
      throw new Error('broken')
    }
    const deltas = gatherDeltas(source())
    expect((await deltas.next()).value).toMatchObject({ text: 'ab' })
    await expect(deltas.next()).rejects.toThrow('broken')
  })

  test('lets no delta grow without limit', async () => {
    async function* source() {
      for (let i = 0; i < 5000; i++) yield delta('x', i)
      return undefined
    }
    const deltas = await Array.fromAsync(gatherDeltas(source()))
    expect(Math.max(...deltas.map(({ tokenIds }) => tokenIds.length))).toBe(1024)
    expect(deltas.flatMap(({ tokenIds }) => tokenIds)).toEqual(
      Array.from({ length: 5000 }, (_, i) => i),
    )
  })

  test('ends quietly when its reader leaves', async () => {
    const clock = virtualClock()
    async function* source() {
      yield delta('a')
      await clock.sleep(10)
      throw new Error('nobody hears this')
    }
    const deltas = gatherDeltas(source())
    await deltas.next()
    await deltas.return(undefined)
    await clock.run(clock.now() + 100)
  })
})
