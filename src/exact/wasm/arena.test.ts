import { describe, expect, test } from 'vitest'
import { source } from '../compliance/Case.ts'
import { startArena } from './arena.ts'

describe('startArena', () => {
  test('never gives a byte twice while it is taken', () => {
    const next = source('arena')
    const arena = startArena(100)
    const live = new Map<number, number>()
    for (let i = 0; i < 2000; i++) {
      const taken = [...live.keys()]
      if (taken.length > 0 && next() % 2 === 0) {
        const address = taken[next() % taken.length]!
        arena.free(address)
        live.delete(address)
        continue
      }
      const bytes = next() % 1000
      const address = arena.take(bytes)
      expect(address % 64).toBe(0)
      expect(address).toBeGreaterThanOrEqual(100)
      for (const [other, length] of live)
        expect(address + bytes <= other || other + length <= address).toBe(true)
      expect(arena.top()).toBeGreaterThanOrEqual(address + bytes)
      live.set(address, bytes)
    }
  })

  test('takes the smallest gap that is large enough', () => {
    const arena = startArena(0)
    const [large, , small] = [640, 64, 128, 64].map((bytes) => arena.take(bytes))
    arena.free(large!)
    arena.free(small!)
    expect(arena.take(100)).toBe(small)
    expect(arena.take(600)).toBe(large)
  })
})
