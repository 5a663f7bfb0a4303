import { describe, expect, test } from 'vitest'
import * as Elementwise from '../Elementwise.ts'
import { write } from '../Program.ts'
import { integerBound } from './program.ts'

describe('integerBound', () => {
  test('is how far quantised numbers reach', () => {
    expect(integerBound(Elementwise.quantised(63))).toBe(63)
    expect(integerBound(Elementwise.quantised(127))).toBe(127)
    const uneven = write(1, (w, x) => w.nearest(w.min(w.max(x, w.f32(-80)), w.f32(3))))
    expect(integerBound(uneven)).toBe(80)
  })

  test('is not known of anything else', () => {
    const open = [
      write(1, (w, x) => w.nearest(x)),
      write(1, (w, x) => w.nearest(w.min(x, w.f32(3)))),
      write(1, (w, x) => w.nearest(w.max(w.min(x, w.f32(3)), w.f32(-3)))),
      write(2, (w, x, y) => w.nearest(w.min(w.max(x, y), w.f32(3)))),
      write(1, (w, x) => w.min(w.max(x, w.f32(-3)), w.f32(3))),
      write(1, (w, x) => w.nearest(w.min(w.max(x, w.bits(0x7fc0_0000)), w.f32(3)))),
      write(1, (_, x) => x),
    ]
    for (const program of open) expect(integerBound(program) <= 1e9).toBe(false)
  })
})
