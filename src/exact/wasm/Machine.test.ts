import { describe, expect, test } from 'vitest'
import { kernelsFor, probe } from './Machine.ts'

describe('probe', () => {
  test('finds one answer', () => {
    expect(probe(process.versions.v8)).toEqual(probe(process.versions.v8))
  })

  test('never uses the relaxed dot product on V8 11', () => {
    expect(probe('11.3.244.8').dot).toBe('i16')
  })
})

describe('kernelsFor', () => {
  test('fills the registers there are', () => {
    const fused = { fusion: 'fused', dot: 'pairs' } as const
    const narrow = kernelsFor(fused, false)
    expect(narrow).toEqual({
      tile: { rows: 6, vectors: 2 },
      integerTile: { rows: 4, vectors: 2 },
      dot: 'pairs',
    })
    expect(kernelsFor(fused, true).tile).toEqual({ rows: 6, vectors: 4 })
    expect(kernelsFor({ fusion: 'emulated', dot: 'i16' }, false).tile.rows).toBeLessThan(6)
  })
})
