import { describe, expect, test } from 'vitest'
import { build } from '../../exact/train/Recipe.ts'
import * as Config from './Config.ts'
import { defaultConfig } from './defaultConfig.ts'

describe('parse', () => {
  test('the printed defaults are the defaults', () => {
    const { recipe, ...rest } = Config.parse('')
    const { recipe: printed, ...printedRest } = Config.parse(defaultConfig)
    const { optimiser, ...model } = printed
    expect({ ...model, optimiser: { kind: optimiser.kind } }).toEqual(recipe)
    expect(printedRest).toEqual(rest)
    expect(build(printed).graph).toEqual(build(recipe).graph)
  })

  test('takes JSON, and fills in what is missing', () => {
    const { recipe, seed, steps } = Config.parse(
      JSON.stringify({
        model: { width: 48, heads: 3, layers: 1 },
        profile: 'i8x3',
        optimiser: { kind: 'sgd' },
        schedule: { decay: 'none' },
        clipNorm: null,
        seed: 2 ** 32 + 7,
        steps: 9,
      }),
    )
    expect(recipe.model).toMatchObject({ width: 48, headSize: 16, keyHeads: 3, hidden: 128 })
    expect(recipe.model.profiles.head).toBe('i8x3')
    expect(recipe.optimiser).toEqual({ kind: 'sgd', momentum: 0.9 })
    expect(recipe.schedule).toEqual({ rate: 0.3, warmupSteps: 10 })
    expect(recipe).not.toHaveProperty('clipNorm')
    expect([seed, steps]).toEqual([[7, 1], 9])
  })

  test('a profile for each part', () => {
    const profiles = { attention: 'f32', feedForward: 'i8', head: 'i8x3' }
    const { recipe } = Config.parse(JSON.stringify({ profile: profiles }))
    expect(recipe.model.profiles).toEqual(profiles)
  })

  test('the command line wins, where it says something', () => {
    const settings = Config.parse('steps: 5\nthreads: 2', { steps: 7, threads: undefined })
    expect(settings).toMatchObject({ steps: 7, threads: 2 })
    expect(settings.recipe.schedule.decay?.steps).toBe(7)
  })

  test.each([
    ['model: { layers: 0 }', 'model.layers: give a whole number from 1 to 256, not 0'],
    [
      'model: { widht: 3 }',
      'model.widht: there is no such field; those here are vocabulary, width,',
    ],
    ['models: {}', 'models: there is no such field; those here are model, profile,'],
    ['profile: f16', 'profile: give f32, i8 or i8x3, not "f16"'],
    ['optimiser: { kind: adam }', 'optimiser.kind: give kind: adamw or kind: sgd, not "adam"'],
    ['schedule: { decay: no }', 'schedule.decay: give one of cosine, none, not "no"'],
    ['schedule: { rate: .nan }', 'schedule.rate: give a number from 0 to 1000'],
    ['seed: 1.5', 'seed: give a whole number from 0 to 9007199254740991, not 1.5'],
    ['[]', 'The file: give fields below it, not []'],
    ['model: 3', 'model: give fields below it, not 3'],
    ['steps: [', 'at line 1, column 9'],
    ['steps: 1\nsteps: 2', 'Map keys must be unique at line 2, column 1'],
    ['model: { width: 50, heads: 3 }', 'A width of 50 cannot be split among 3 heads'],
    [' '.repeat(65_537), 'longer than 65536'],
  ])('%j is refused, and the error says why', (text, message) => {
    expect(() => Config.parse(text)).toThrow(message)
  })

  test('names all fields that are wrong', () => {
    expect(() => Config.parse('steps: 0\nrows: x')).toThrow(/rows: .*\n.*steps: /)
  })
})

describe('seedOf', () => {
  test('is the lower and the upper word', () => {
    expect(Config.seedOf(1)).toEqual([1, 0])
    expect(Config.seedOf(Number.MAX_SAFE_INTEGER)).toEqual([0xffff_ffff, 0x1f_ffff])
  })
})
