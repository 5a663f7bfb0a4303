import { describe, expect, test } from 'vitest'
import { metrics } from './metrics.ts'

describe('metrics', () => {
  test('writes counters, gauges and histograms as Prometheus reads them', () => {
    const counts = metrics({ requests: 'Requests.', seconds: 'Time.', now: 'Now.' })
    counts.add('requests', { route: '/a', status: 200 })
    counts.add('requests', { route: '/a', status: 200 }, 2)
    counts.observe('seconds', { route: '/a' }, 0.02)
    counts.observe('seconds', { route: '/a' }, 400)
    const lines = counts.text({ now: 3 }).split('\n')
    expect(lines).toContain('# TYPE requests counter')
    expect(lines).toContain('requests{route="/a",status="200"} 3')
    expect(lines).toContain('# HELP now Now.')
    expect(lines).toContain('now 3')
    expect(lines).toContain('seconds_bucket{le="0.01",route="/a"} 0')
    expect(lines).toContain('seconds_bucket{le="0.025",route="/a"} 1')
    expect(lines).toContain('seconds_bucket{le="+Inf",route="/a"} 2')
    expect(lines).toContain('seconds_sum{route="/a"} 400.02')
    expect(lines).toContain('seconds_count{route="/a"} 2')
  })

  test('lets no label break out of its quotes', () => {
    const counts = metrics({})
    counts.add('requests', { route: 'a"} 1\nevil 2' })
    expect(counts.text({})).not.toContain('\nevil')
  })
})
