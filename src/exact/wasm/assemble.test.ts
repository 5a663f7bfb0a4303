import { describe, expect, test } from 'vitest'
import { type Assembler, signed, startModule, unsigned } from './assemble.ts'
import { advance, call, count, f32x4, i32, v128, when, zero } from './instructions.ts'

describe('unsigned', () => {
  test('writes seven bits a byte, the lowest first', () => {
    expect(unsigned(0)).toEqual([0])
    expect(unsigned(127)).toEqual([127])
    expect(unsigned(128)).toEqual([0x80, 1])
    expect(unsigned(624_485)).toEqual([0xe5, 0x8e, 0x26])
    expect(unsigned(2 ** 32 - 1)).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f])
  })
})

describe('signed', () => {
  test('keeps the sign in the last byte', () => {
    expect(signed(0n)).toEqual([0])
    expect(signed(63n)).toEqual([63])
    expect(signed(64n)).toEqual([0xc0, 0])
    expect(signed(-1n)).toEqual([0x7f])
    expect(signed(-123_456n)).toEqual([0xc0, 0xbb, 0x78])
    expect(signed(-(2n ** 63n))).toHaveLength(10)
  })
})

describe('startModule', () => {
  test('writes functions that call each other, with variables of several types', () => {
    const module = startModule()
    const square = module.define({ parameters: ['i32'], results: ['i32'] }, ({ parameters: [x] }) =>
      i32.mul(x!.get, x!.get),
    )
    module.define(
      { parameters: ['i32'], results: ['i32'], exported: 'squares' },
      ({ parameters: [end], local }) => {
        const [total, vector, i] = [local('i32'), local('v128'), local('i32')]
        return [
          vector.set(v128.splat(0)),
          count(i, { from: zero, to: end!.get, step: i32.const(1) }, [
            advance(total, call(square, i.get)),
          ]),
          total.get,
        ]
      },
    )
    const { squares } = instantiate(module).exports as { squares: (end: number) => number }
    expect(squares(0)).toBe(0)
    expect(squares(11)).toBe(385)
  })

  test('defines what is known by a key once', () => {
    const module = startModule()
    const define = () => module.define({ parameters: [] }, () => [])
    expect(module.once('a', define)).toBe(module.once('a', define))
    expect(module.once('b', define)).not.toBe(module.once('a', define))
  })

  test('reads and writes the memory it is given', () => {
    const module = startModule()
    module.define({ parameters: ['i32'], exported: 'run' }, ({ parameters: [at] }) => [
      v128.store(i32.const(64), f32x4.add(v128.load(at!.get), v128.load(at!.get, 16))),
      when(at!.get, i32.store8(i32.const(80), i32.const(-1)), i32.store8(i32.const(81), at!.get)),
    ])
    const { memory, exports } = instantiate(module)
    const floats = new Float32Array(memory.buffer)
    floats.set([1, 2, 3, 4, 10, 20, 30, 40])
    ;(exports['run'] as (at: number) => void)(0)
    expect([...floats.subarray(16, 20)]).toEqual([11, 22, 33, 44])
    expect(new Uint8Array(memory.buffer)[80]).toBe(0)
  })

  test('imports shared memory when asked', () => {
    const code = startModule().bytes({ pages: 2, shared: true })
    const imports = {
      env: { memory: new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }) },
    }
    expect(() => new WebAssembly.Instance(new WebAssembly.Module(code), imports)).not.toThrow()
  })
})

function instantiate(module: Assembler) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
  const compiled = new WebAssembly.Module(module.bytes({ pages: 1, shared: false }))
  return { memory, exports: new WebAssembly.Instance(compiled, { env: { memory } }).exports }
}
