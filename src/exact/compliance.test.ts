import { beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from './Backend.ts'
import * as Compliance from './compliance.ts'
import { operators } from './Program.ts'
import { reference } from './reference.ts'

const all = [...Compliance.cases()]

describe('cases', () => {
  test('have names of their own and are the same each time', () => {
    const names = all.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    const again = [...Compliance.cases()].find(({ name }) => name === 'random program 9')
    expect(again).toEqual(all.find(({ name }) => name === 'random program 9'))
  })

  test('use every op and every instruction', () => {
    const nodes = all.flatMap(({ graph }) => graph.ops)
    expect(new Set(nodes.map(({ op }) => op.kind)).size).toBe(13)
    const code = nodes.flatMap(({ op }) => (op.kind === 'map' ? op.program.code : []))
    expect(new Set(code.map(([op]) => op))).toEqual(new Set(operators))
  })
})

describe('golden', () => {
  let found: Readonly<Record<string, string>> = {}
  beforeAll(async () => {
    found = await Compliance.fingerprints(reference)
  })

  test('is what the reference back end makes (vitest -u writes it anew)', async () => {
    const text = `${JSON.stringify(found, null, 2)}\n`
    await expect(text).toMatchFileSnapshot('./compliance/golden.json')
  })

  test('holds as much as the suite', () => {
    expect(Object.keys(Compliance.golden)).toEqual(all.map(({ name }) => name))
  })
})

describe('suiteHash', () => {
  const { golden, suiteHash } = Compliance

  test('is the same on every machine', () => {
    expect(suiteHash(golden)).toBe(
      'f6544cd174edbfb7f3df976fbafe622a963254b524452a6f532a8a0e9392d6d1',
    )
  })

  test('differs when one fingerprint does, or one is missing', () => {
    const { draws, ...rest } = golden
    expect(suiteHash({ ...golden, draws: '00' })).not.toBe(suiteHash(golden))
    expect(suiteHash(rest)).not.toBe(suiteHash(golden))
    expect(suiteHash({ ...rest, draws: draws! })).toBe(suiteHash(golden))
  })
})

describe('compare', () => {
  const small = all.filter(({ name }) => /^(contract \[2|exchange|cache|sum \[17)/.test(name))

  test('finds no difference between a back end and itself', async () => {
    for (const each of small) expect(await Compliance.compare(reference, each)).toBeUndefined()
  })

  test.each([0, 1, 2])(
    'finds one bit that differs in step %i and names the element',
    async (step) => {
      const backend = flipping(step)
      for (const each of small) {
        const difference = await Compliance.compare(backend, each)
        if (step < each.batches.length)
          expect(difference).toMatch(
            new RegExp(`step ${step}, f32 .*, element 0 is 0x.* by flipped, 0x.* by reference`),
          )
        else expect(difference).toBeUndefined()
      }
    },
  )

  test('finds a last state that differs', async () => {
    const exchange = all.find(({ name }) => name === 'exchange')!
    expect(await Compliance.compare(forgetful, exchange)).toMatch('state')
  })
})

/** The reference, but the lowest bit of the first result of a step is flipped. */
function flipping(at: number): Backend {
  return {
    name: 'flipped',
    async prepare(graph) {
      const executable = await reference.prepare(graph)
      let steps = 0
      return {
        ...executable,
        step(batch) {
          const [first, ...rest] = executable.step(batch)
          const bytes = first!.slice()
          if (steps++ === at) bytes[0]! ^= 1
          return [bytes, ...rest]
        },
      }
    },
  }
}

/** The reference, but its state is always zeros when it is read. */
const forgetful: Backend = {
  name: 'forgetful',
  async prepare(graph) {
    const executable = await reference.prepare(graph)
    return { ...executable, readState: (index) => executable.readState(index).map(() => 0) }
  },
}
