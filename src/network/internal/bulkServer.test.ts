import { describe, expect, test } from 'vitest'
import { parseRange } from './bulkServer.ts'

describe('parseRange', () => {
  test.each([
    [undefined, { start: 0, end: 99, partial: false }],
    ['bytes=0-9', { start: 0, end: 9, partial: true }],
    ['bytes=90-', { start: 90, end: 99, partial: true }],
    ['bytes=90-1000', { start: 90, end: 99, partial: true }],
    ['bytes=-10', { start: 90, end: 99, partial: true }],
    ['bytes=-1000', { start: 0, end: 99, partial: true }],
  ])('understands %s', (header, range) => {
    expect(parseRange(header, 100)).toEqual(range)
  })

  test.each([
    'bytes=100-',
    'bytes=9-0',
    'bytes=-0',
    'bytes=-',
    'bytes=0-1,3-4',
    'bytes=a-b',
    'bytes=0x1-2',
    'bytes=99999999999999999999-',
    'lines=0-1',
    '',
  ])('refuses %j', (header) => {
    expect(parseRange(header, 100)).toBeUndefined()
  })

  test('has no range in an empty file', () => {
    expect(parseRange('bytes=0-', 0)).toBeUndefined()
    expect(parseRange(undefined, 0)).toEqual({ start: 0, end: -1, partial: false })
  })
})
