import { describe, expect, test } from 'vitest'
import { type Access, mustWait } from './Stage.ts'

const access = (kind: Access['kind'], start: number, ownBytes?: number): Access => ({
  kind,
  start,
  bytes: 100,
  ownBytes,
})

describe('mustWait', () => {
  test('is true where one writes what the other touches', () => {
    expect(mustWait([access('write', 0)], [access('read', 99)])).toBe(true)
    expect(mustWait([access('read', 50)], [access('write', 0)])).toBe(true)
    expect(mustWait([access('write', 0)], [access('write', 0)])).toBe(true)
  })

  test('is false where both read, or stand apart', () => {
    expect(mustWait([access('read', 0)], [access('read', 0)])).toBe(false)
    expect(mustWait([access('write', 0)], [access('write', 100)])).toBe(false)
  })

  test('is false where each thread stays with its own part', () => {
    expect(mustWait([access('write', 0, 50)], [access('read', 0, 50)])).toBe(false)
    expect(mustWait([access('write', 0, 50)], [access('read', 0, 40)])).toBe(true)
    expect(mustWait([access('write', 0, 50)], [access('read', 8, 50)])).toBe(true)
    expect(mustWait([access('write', 0, 50)], [access('read', 0)])).toBe(true)
  })
})
