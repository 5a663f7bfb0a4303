import { describe, expect, test } from 'vitest'
import { BackendError, BatchError, checkBytes } from './Backend.ts'

describe('checkBytes', () => {
  const slots = [
    { name: 'tokens', dtype: 'u32', shape: [2, 3] },
    { name: 'weights', dtype: 'i8', shape: [5] },
  ] as const

  test('accepts values as long as their slots', () => {
    expect(() => checkBytes(slots, [new Uint8Array(24), new Uint8Array(5)])).not.toThrow()
    expect(() => checkBytes([], [])).not.toThrow()
  })

  test('names the slot whose bytes do not fit', () => {
    expect(() => checkBytes(slots, [new Uint8Array(24), new Uint8Array(20)])).toThrow(
      'weights is i8 [5], which takes 5 bytes, not 20: give all of its elements.',
    )
    expect(() => checkBytes(slots, [new Uint8Array(0), new Uint8Array(5)])).toThrow(BatchError)
  })

  test('refuses too few values and too many', () => {
    expect(() => checkBytes(slots, [new Uint8Array(24)])).toThrow(
      'The graph reads 2 values here, not 1.',
    )
    expect(() => checkBytes([], [new Uint8Array(1)])).toThrow(BatchError)
  })
})

describe('errors', () => {
  test('have stable codes', () => {
    expect(new BatchError('No.').code).toBe('Exact.BatchError')
    expect(new BackendError('No.', { cause: 1 })).toMatchObject({
      code: 'Exact.BackendError',
      cause: 1,
    })
  })
})
