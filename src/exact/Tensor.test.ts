import { describe, expect, test } from 'vitest'
import { write } from './Program.ts'
import * as Tensor from './Tensor.ts'

const f32 = (...shape: readonly number[]) => Tensor.input('batch', 'x', 'f32', shape)
const u32 = (...shape: readonly number[]) => Tensor.input('batch', 'x', 'u32', shape)
const i8 = (...shape: readonly number[]) => Tensor.input('batch', 'x', 'i8', shape)
const add = write(2, (w, a, b) => w.add(a, b))

describe('input', () => {
  test('refuses a missing name, sizes that are none, and too many of them', () => {
    expect(() => Tensor.input('state', '', 'f32', [1])).toThrow('state needs a name.')
    for (const shape of [[0], [-1], [1.5], [NaN], [2 ** 31], [1, 1, 1, 1, 1, 1, 1]])
      expect(() => f32(...shape)).toThrow(Tensor.ShapeError)
    expect(f32().shape).toEqual([])
  })
})

describe('contract', () => {
  test.each([
    [[2, 3], [3, 4], {}, [2, 4]],
    [[3, 2], [3, 4], { transposeA: true }, [2, 4]],
    [[2, 3], [4, 3], { transposeB: true }, [2, 4]],
    [[5, 2, 3], [3, 4], {}, [5, 2, 4]],
    [[2, 3], [5, 3, 4], {}, [5, 2, 4]],
    [[6, 5, 2, 3], [6, 5, 3, 4], {}, [6, 5, 2, 4]],
  ])('of %j and %j with %j is %j', (a, b, options, expected) => {
    expect(Tensor.contract(f32(...a), f32(...b), options).shape).toEqual(expected)
  })

  test('names the op and the shapes of what does not fit', () => {
    expect(() => Tensor.contract(f32(2, 3), f32(4, 5))).toThrow(
      /contract needs \[..., m, k\] and \[..., k, n\] with equal k\.\nInput 0: f32 \[2, 3\]\nInput 1: f32 \[4, 5\]/,
    )
    expect(() => Tensor.contract(f32(3), f32(3, 2))).toThrow(Tensor.ShapeError)
    expect(() => Tensor.contract(f32(2, 2, 3), f32(3, 3, 2))).toThrow(Tensor.ShapeError)
    expect(() => Tensor.contract(f32(2, 3), u32(3, 2))).toThrow('contract reads f32, f32.')
  })
})

describe('contractI8', () => {
  const of = (a: Tensor.Tensor, b: Tensor.Tensor, scaleA: Tensor.Tensor, scaleB: Tensor.Tensor) =>
    Tensor.contractI8({ a, b, scaleA, scaleB })

  test('needs a scale for each row and column', () => {
    expect(of(i8(2, 3), i8(3, 4), f32(2), f32(4)).shape).toEqual([2, 4])
    expect(of(i8(5, 2, 3), i8(3, 4), f32(5, 2), f32(4)).shape).toEqual([5, 2, 4])
    expect(() => of(i8(2, 3), i8(3, 4), f32(3), f32(4))).toThrow(/scale for each row/)
    expect(() => of(i8(2, 3), i8(3, 4), f32(2), f32(4, 1))).toThrow(/scale for each row/)
    expect(() => of(f32(2, 3), i8(3, 4), f32(2), f32(4))).toThrow(/reads i8, i8, f32, f32/)
  })

  test('refuses more terms than 32 bits hold', () => {
    const k = Tensor.limits.integerTerms
    expect(of(i8(1, k), i8(k, 1), f32(1), f32(1)).shape).toEqual([1, 1])
    expect(() => of(i8(1, k + 1), i8(k + 1, 1), f32(1), f32(1))).toThrow(/more than 131071 terms/)
  })
})

describe('map', () => {
  test('broadcasts its inputs to each other and to a shape', () => {
    expect(Tensor.map(add, [f32(2, 1), f32(3)]).shape).toEqual([2, 3])
    expect(Tensor.map(add, [f32(), f32(3)], { shape: [4, 3] }).shape).toEqual([4, 3])
    expect(() => Tensor.map(add, [f32(2), f32(3)])).toThrow(/broadcast to one shape/)
    expect(() => Tensor.map(add, [f32(2), f32(2)], { shape: [1] })).toThrow(/broadcast/)
  })

  test('gives the type that is asked for and reads no i8', () => {
    expect(Tensor.map(add, [f32(2), u32(2)], { dtype: 'i8' }).dtype).toBe('i8')
    expect(() => Tensor.map(add, [i8(2), f32(2)])).toThrow(/does not read i8/)
    expect(() => Tensor.map(add, [f32(2)])).toThrow('map has a program of 2 inputs.')
  })
})

describe('reduce', () => {
  test('keeps the axis with size 1, counting from either end', () => {
    expect(Tensor.reduce('sum', f32(2, 3, 4), 1).shape).toEqual([2, 1, 4])
    expect(Tensor.reduce('max', f32(2, 3, 4), -1)).toMatchObject({
      shape: [2, 3, 1],
      op: { axis: 2 },
    })
    for (const axis of [3, -4, 0.5])
      expect(() => Tensor.reduce('sum', f32(2, 3, 4), axis)).toThrow(Tensor.ShapeError)
  })
})

describe('moves', () => {
  const x = f32(2, 3)

  test('reshape keeps the number of elements', () => {
    expect(Tensor.reshape(x, [3, 2, 1]).shape).toEqual([3, 2, 1])
    expect(Tensor.reshape(x, [2, 3])).toBe(x)
    expect(() => Tensor.reshape(x, [5])).toThrow('reshape cannot make [5].')
    expect(() => Tensor.reshape(x, [-2, -3])).toThrow(Tensor.ShapeError)
  })

  test('transpose needs each axis once', () => {
    expect(Tensor.transpose(f32(2, 3, 4), [2, 0, 1]).shape).toEqual([4, 2, 3])
    for (const order of [[0], [0, 0], [1, 2], [0, 1, 2]])
      expect(() => Tensor.transpose(x, order)).toThrow(Tensor.ShapeError)
  })

  test('slice stays within', () => {
    expect(Tensor.slice(x, [1, 0], [1, 2]).shape).toEqual([1, 2])
    const cuts = [
      [
        [0, 2],
        [2, 2],
      ],
      [
        [-1, 0],
        [1, 1],
      ],
      [
        [0, 0],
        [0, 1],
      ],
      [[0], [1]],
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
    ] as const
    for (const [starts, sizes] of cuts)
      expect(() => Tensor.slice(x, starts, sizes)).toThrow(Tensor.ShapeError)
  })

  test('concat joins what is alike elsewhere', () => {
    expect(Tensor.concat([x, f32(5, 3), x], 0).shape).toEqual([9, 3])
    expect(() => Tensor.concat([x, f32(5, 3)], 1)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.concat([x, u32(2, 3)], 0)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.concat([x, f32(2)], 0)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.concat([], 0)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.concat([x], 2)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.concat(Array(65).fill(x), 0)).toThrow(Tensor.ShapeError)
  })

  test('broadcast repeats axes of size 1 and adds leading ones', () => {
    expect(Tensor.broadcast(f32(2, 1), [4, 2, 3]).shape).toEqual([4, 2, 3])
    expect(() => Tensor.broadcast(x, [2, 4])).toThrow('broadcast cannot reach [2, 4].')
    expect(() => Tensor.broadcast(x, [3])).toThrow(Tensor.ShapeError)
  })

  test('gather takes rows, scatterAdd gives them back', () => {
    const rows = Tensor.gather(f32(10, 4), u32(2, 3))
    expect(rows.shape).toEqual([2, 3, 4])
    expect(Tensor.scatterAdd(rows, u32(2, 3), 10).shape).toEqual([10, 4])
    expect(() => Tensor.gather(f32(10, 4), f32(2))).toThrow(Tensor.ShapeError)
    expect(() => Tensor.gather(f32(), u32(2))).toThrow(Tensor.ShapeError)
    expect(() => Tensor.scatterAdd(rows, u32(3, 2), 10)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.scatterAdd(rows, u32(2, 3), 0)).toThrow(Tensor.ShapeError)
  })

  test('place needs an update that is alike elsewhere, and a scalar index', () => {
    expect(Tensor.place(f32(4, 3), x, u32(), 0).shape).toEqual([4, 3])
    expect(() => Tensor.place(f32(4, 3), x, u32(), 1)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.place(f32(4, 3), x, u32(1), 0)).toThrow(Tensor.ShapeError)
    expect(() => Tensor.place(u32(4, 3), x, u32(), 0)).toThrow(Tensor.ShapeError)
  })
})

describe('philox', () => {
  test('needs a seed of two words and a scalar step', () => {
    expect(Tensor.philox(u32(2), u32(), 1, [3])).toMatchObject({ dtype: 'u32', shape: [3] })
    expect(() => Tensor.philox(u32(3), u32(), 1, [3])).toThrow(Tensor.ShapeError)
    expect(() => Tensor.philox(u32(2), u32(1), 1, [3])).toThrow(Tensor.ShapeError)
  })
})

describe('byteLength', () => {
  test('is one byte for an i8 and four for others', () => {
    expect(Tensor.byteLength({ dtype: 'i8', shape: [2, 3] })).toBe(6)
    expect(Tensor.byteLength({ dtype: 'u32', shape: [2, 3] })).toBe(24)
    expect(Tensor.byteLength({ dtype: 'f32', shape: [] })).toBe(4)
  })
})

describe('broadcastShapes', () => {
  test('aligns at the last axis', () => {
    expect(Tensor.broadcastShapes([[2, 1], [3], []])).toEqual([2, 3])
    expect(Tensor.broadcastShapes([])).toEqual([])
    expect(Tensor.broadcastShapes([[2], [3]])).toBeUndefined()
  })
})
