import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { interleave, median, summary } from '../bench/interleave.ts'
import { table } from '../bench/table.ts'

describe('interleave', () => {
  test('measures in turns, and does not count the first ones', async () => {
    const calls: string[] = []
    const figure = (name: string, values: number[]) => async () => {
      calls.push(name)
      return values.shift()!
    }
    const { a, b, ratio, difference } = await interleave(
      { rounds: 3, warmup: 1 },
      figure('a', [100, 4, 6, 8]),
      figure('b', [1, 2, 2, 2]),
    )
    expect(calls.join('')).toBe('baabbaab')
    expect([a.median, b.median, ratio, difference]).toEqual([6, 2, 3, 4])
  })
})

describe('median', () => {
  test('is the middle, or between the two in the middle', () => {
    expect(median([5, 1, 3])).toBe(3)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(() => median([])).toThrow('Nothing was measured')
  })
})

describe('summary', () => {
  test('gives the middle half', () => {
    expect(summary([0, 1, 2, 3, 4])).toEqual({ median: 2, low: 1, high: 3, count: 5 })
  })
})

describe('table', () => {
  test('puts numbers to the right and words to the left', () => {
    const rows = [
      ['open', 59_822],
      ['a voucher', 7],
    ]
    expect(table(['what', 'gas'], rows).split('\n')).toEqual([
      'what         gas',
      '---------  -----',
      'open       59822',
      'a voucher      7',
    ])
  })
})

describe('npm run bench', () => {
  const run = (...options: string[]) => {
    const program = ['--disable-warning=ExperimentalWarning', 'bench/main.ts', ...options]
    const { stdout, stderr, status } = spawnSync(process.execPath, program, { encoding: 'utf8' })
    return { stdout, stderr, status }
  }

  test('lists what there is, and says when there is no such thing', () => {
    const list = run()
    expect(list.status).toBe(0)
    expect(list.stdout).toMatch(/^gateway +\w/m)
    const wrong = run('nothing')
    expect(wrong.status).toBe(1)
    expect(wrong.stderr).toContain('nothing')
  })
})
