import { describe, expect, test } from 'vitest'
import { startModule } from './assemble.ts'
import { startConstants } from './constants.ts'
import { i32, v128 } from './instructions.ts'

describe('startConstants', () => {
  test('gives vectors of the bits that are asked for, one variable each', () => {
    const module = startModule()
    let made = 0
    module.define({ parameters: [], exported: 'run' }, ({ local }) => {
      const constants = startConstants((type) => {
        made += 1
        return local(type)
      })
      const body = [0x8000_0001, 7, -1, 0xffff_ffff].map((bits, index) =>
        v128.store(i32.const(index * 16), constants.of(bits)),
      )
      return [constants.prepare(), body]
    })
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
    const code = new WebAssembly.Module(module.bytes({ pages: 1, shared: false }))
    const { exports } = new WebAssembly.Instance(code, { env: { memory } })
    ;(exports['run'] as () => void)()
    const words = [...new Uint32Array(memory.buffer).subarray(0, 16)]
    expect(words).toEqual([0x8000_0001, 7, 0xffff_ffff, 0xffff_ffff].flatMap((w) => [w, w, w, w]))
    expect(made).toBe(3)
  })
})
