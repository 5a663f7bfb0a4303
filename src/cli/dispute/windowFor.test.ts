import { describe, expect, test } from 'vitest'
import { windowFor } from './windowFor.ts'

describe('windowFor', () => {
  test('is half of what the chain allows, and never nothing', () => {
    expect(windowFor({ windowSeconds: 1_800 })).toBe(900)
    expect(windowFor({ windowSeconds: 1 })).toBe(1)
  })

  test('is what was asked for, up to all of it', () => {
    expect(windowFor({ windowSeconds: 300 }, 1)).toBe(1)
    expect(windowFor({ windowSeconds: 300 }, 300)).toBe(300)
  })

  test('refuses a window in which the stake may go', () => {
    expect(() => windowFor({ windowSeconds: 300 }, 301)).toThrow('the most here: 300')
  })
})
