import { describe, expect, test } from 'vitest'
import { virtualClock } from '../runtime/virtualClock.ts'
import { collect, engineCompliance, requestOf } from './engineCompliance.ts'
import type { Engine, ExactRun } from './Engine.ts'
import { memoryEngine } from './memoryEngine.ts'
import { severalEngines } from './severalEngines.ts'

const clock = virtualClock()
const words = (id: string, build: string) =>
  memoryEngine({ clock }, { models: [{ id, build, weights: `0x${build.at(-1)!.repeat(64)}` }] })

describe('severalEngines', () => {
  engineCompliance(
    async () => ({
      engine: severalEngines([words('a', 'memory 1'), words('b', 'memory 2')]),
      prompt: 'a loom',
    }),
    { tokenIds: true },
  )

  test('asks the engine of the build, and the first when none is named', async () => {
    const engines = [words('same', 'memory 1'), words('same', 'memory 2')] as const
    const engine = severalEngines(engines)
    const request = requestOf({ engine, prompt: 'a loom' })
    const texts = await Promise.all(engines.map((each) => collect(each, request)))
    const ask = (build?: string) =>
      collect({ ...engine, complete: (r, o) => engine.complete(r, { ...o, build }) }, request)
    expect((await ask('memory 2')).text).toBe(texts[1]!.text)
    expect((await ask('memory 1')).text).toBe(texts[0]!.text)
    expect((await ask()).text).toBe(texts[0]!.text)
    await expect(ask('memory 3')).rejects.toMatchObject({ code: 'Engine.UnknownModelError' })
  })

  test('repeats exact runs where an engine can', async () => {
    const run = { steps: 3 } as ExactRun
    const exact: Engine = { ...words('same', 'exact 2'), exactRun: async () => run }
    const engine = severalEngines([words('same', 'memory 1'), exact])
    const request = requestOf({ engine, prompt: 'a loom' })
    const options = { steps: 3, signal: new AbortController().signal }
    expect(await engine.exactRun!(request, { ...options, build: 'exact 2' })).toBe(run)
    await expect(engine.exactRun!(request, options)).rejects.toMatchObject({
      code: 'Engine.UnsupportedError',
    })
  })

  test('disposes of all', async () => {
    let disposed = 0
    const engine = (): Engine => ({
      ...words('a', 'memory 1'),
      async [Symbol.asyncDispose]() {
        disposed++
      },
    })
    await severalEngines([engine(), engine()])[Symbol.asyncDispose]()
    expect(disposed).toBe(2)
  })
})
