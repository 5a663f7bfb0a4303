import { describe, expect, test } from 'vitest'
import { lossChart } from './lossChart.ts'

const falling = Array.from({ length: 300 }, (_, step) => 1 + 4 * Math.exp(-step / 50))

describe('lossChart', () => {
  test('draws each step and their course within the picture, and says where it ends', () => {
    const svg = lossChart(falling, { title: 'book' })
    const [, line] = /class="each" d="([^"]+)"/.exec(svg)!
    const points = [...line!.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [+x!, +y!])
    expect(points).toHaveLength(300)
    for (const [x, y] of points) {
      expect(x).toBeGreaterThanOrEqual(64)
      expect(x).toBeLessThanOrEqual(728)
      expect(y).toBeGreaterThanOrEqual(76)
      expect(y).toBeLessThanOrEqual(356)
    }
    // Downwards on the screen is a smaller loss.
    expect(points.at(-1)![1]).toBeGreaterThan(points[0]![1]!)
    expect(svg).toContain('1.011 in the end')
    expect(svg).toContain('over 300 steps')
  })

  test('leaves gaps where a loss is no number', () => {
    const svg = lossChart([2, Number.NaN, 1, 1], { title: 'x' })
    expect(/class="each" d="([^"]+)"/.exec(svg)![1]!.match(/M/g)).toHaveLength(2)
    expect(lossChart([Number.NaN], { title: 'x' })).not.toContain('NaN')
    expect(lossChart([], { title: 'x' })).not.toContain('NaN')
    expect(lossChart([3], { title: 'x' })).not.toContain('NaN')
  })

  test('does not grow with the run', () => {
    const long = Array.from({ length: 300_000 }, (_, step) => falling[step % 300]!)
    expect(lossChart(long, { title: 'x' }).length).toBeLessThan(60_000)
  })

  test('a title cannot write into the picture', () => {
    const svg = lossChart(falling, { title: `</title><script>"&\u0007` })
    expect(svg).toContain('&lt;/title&gt;&lt;script&gt;&quot;&amp; ')
    expect(svg).not.toContain('<script')
  })
})
