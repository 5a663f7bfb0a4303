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
    expect(kernelsFor(fused, true)).toEqual({
      tile: { rows: 6, vectors: 4 },
      integerTile: { rows: 4, vectors: 4 },
      dot: 'i16',
    })
    // Nothing is wider than the one instruction that some processors have for it.
    const quads = kernelsFor({ fusion: 'fused', dot: 'quads' }, true)
    expect(quads).toMatchObject({ dot: 'quads', integerTile: { rows: 4, vectors: 2 } })
    expect(kernelsFor({ fusion: 'emulated', dot: 'i16' }, false).tile.rows).toBeLessThan(6)
  })
})
