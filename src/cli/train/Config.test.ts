import { describe, expect, test } from 'vitest'
import * as Config from './Config.ts'
import { defaultConfig } from './defaultConfig.ts'

describe('parse', () => {
  test('takes an empty file for the one that --print-config prints', () => {
    expect(Config.parse(defaultConfig).terms).toEqual(Config.parse('').terms)
    expect(Config.parse(defaultConfig).recipe.model).toEqual(Config.parse('').recipe.model)
    expect(Config.parse('').recipe.schedule.decay).toEqual({ steps: 600, floor: 0.1 })
  })

  test('takes terms, the model and what the command line says', () => {
    const text = 'run: { steps: 5, minWorkers: 3 }\nmodel: { layers: 1 }\nseed: 4'
    const { terms, recipe, seed } = Config.parse(text, { rounds: 7 })
    expect(terms).toMatchObject({ rounds: 7, steps: 5, minWorkers: 3, keptLast: 64 })
    expect(recipe.model.layers).toBe(1)
    expect(recipe.schedule.decay!.steps).toBe(35)
    expect(seed).toEqual([4, 0])
  })

  test('takes every rule, data-parallel with plain gradients', () => {
    const text = 'run: { rule: data-parallel, steps: 1 }\noptimiser: { kind: sgd, momentum: 0 }'
    expect(Config.parse(text).terms.rule).toBe('data-parallel')
    const late = 'run: { rule: streaming, fragments: 8, aggregation: krum, overlap: true }'
    expect(Config.parse(late).terms).toMatchObject({ fragments: 8, aggregation: 'krum' })
  })

  test('takes for private runs what goes without saying', () => {
    const text = 'run: { privacy: sums, noise: 2, epsilon: 10 }'
    const { terms } = Config.parse(text)
    expect(terms).toMatchObject({ rule: 'diloco', auditShare: 0, minWorkers: 3, delta: 1e-5 })
  })

  test.each([
    ['run: { noise: 1 }', /run\.noise: it takes run\.privacy sums/],
    ['run: { privacy: sums, noise: 1 }', /run\.epsilon: say what the noise is to keep/],
    ['run: { privacy: sums, noise: 1, epsilon: 2 }', /run\.epsilon: one sum .* costs 4\.728/],
    ['run: { privacy: sums, epsilon: 2 }', /run\.epsilon: without run\.noise nothing keeps it/],
    ['run: { privacy: sums, rule: sparse }', /run\.privacy: sums takes run\.rule diloco/],
    ['run: { privacy: sums, auditShare: 0.1 }', /run\.auditShare: with privacy sums it is 0/],
    ['run: { privacy: sums, minWorkers: 2 }', /run\.minWorkers: .* at least 3/],
    ['run: { round: 3 }', /run\.round: there is no such field; those here are rounds, steps/],
    ['run: { rounds: 0 }', /run\.rounds: give a whole number from 1 to 1000000, not 0/],
    ['run: { keptLast: 2000 }', /run\.keptLast: it is at most run\.keptFirst/],
    ['run: { minWorkers: 200 }', /run\.minWorkers: it is at most/],
    ['run: { rule: gossip }', /run\.rule/],
    ['run: { rule: data-parallel }', /data-parallel takes run\.steps 1/],
    [
      'run: { rule: data-parallel, steps: 1 }',
      /optimiser: workers of data-parallel send gradients/,
    ],
    ['steps: 600', /steps: it belongs below run/],
    ['model: { size: 3 }', /model\.size: there is no such field/],
    ['run: [', /not sound/],
  ])('says what is wrong with %s', (text, message) => {
    expect(() => Config.parse(text)).toThrow(message)
  })
})
