/** What a machine and a runtime can do: found by trying, since a wrong guess would be a wrong bit. */
import { type Fusion, multiplyAdd } from './arithmetic.ts'
import { startModule } from './assemble.ts'
import type { Kernels } from './Compilation.ts'
import { i32, i32x4, v128 } from './instructions.ts'

export type Machine = { readonly fusion: Fusion; readonly dot: Kernels['dot'] }

/** Tries the instructions whose results the specification of WebAssembly leaves open. */
export function probe(v8Version: string): Machine {
  const dot = isDotExact(v8Version) ? (isOneInstruction() ? 'quads' : 'pairs') : 'i16'
  return { fusion: isFused() ? 'fused' : 'emulated', dot }
}

/** (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 when rounded once, 0 when the product is rounded first. */
function isFused(): boolean {
  const [a, c] = [0x3f80_0800, 0xbf80_1000]
  const words = run((module) => multiplyAdd(module, 'fused'), [a, a, c])
  return words?.every((word) => word === 0x3380_0000) ?? false
}

/** Products of the largest integers and of both signs, in all places of a word. */
function isDotExact(v8Version: string): boolean {
  // V8 11 compiled it wrongly in places that a probe does not reach.
  if (Number.parseInt(v8Version, 10) < 12) return false
  const cases = [
    [0x7f7f_7f7f, 0x7f7f_7f7f, 1],
    [0x8080_8080, 0x7f7f_7f7f, 0x7fff_ffff],
    [0x0180_7fff, 0x017f_407e, 0xffff_0000],
  ] as const
  return cases.every((each) => {
    const words = run(() => i32x4.relaxedDotI8x16I7x16Add, each)
    return words?.every((word) => word === dot(each)) ?? false
  })
}

/**
 * Whether the dot product that adds is one instruction of the processor (AVX-VNNI, ARM's SDOT): then it
 * multiplies bytes above 127 without the saturation that a sum of pairs in 16 bits shows.
 */
function isOneInstruction(): boolean {
  const words = run(() => i32x4.relaxedDotI8x16I7x16Add, [0x7f7f_7f7f, 0xffff_ffff, 0])
  return words?.every((word) => [4 * 127 * 255, (4 * 127 * -1) >>> 0].includes(word)) ?? false
}

function dot([a, b, c]: Words): number {
  const byte = (word: number, shift: number) => (word << (24 - shift)) >> 24
  const products = [0, 8, 16, 24].map((shift) => byte(a, shift) * byte(b, shift))
  return products.reduce((sum, product) => (sum + product) | 0, c) >>> 0
}

/** The four lanes that an instruction gives; undefined when the runtime does not know it. */
function run(
  instruction: (module: ReturnType<typeof startModule>) => (...operands: Operands) => Operands[0],
  words: Words,
): readonly number[] | undefined {
  const module = startModule()
  const write = instruction(module)
  module.define({ parameters: [], exported: 'run' }, () => {
    const [a, b, c] = [0, 16, 32].map((at) => v128.load(i32.const(at)))
    return v128.store(i32.const(48), write(a!, b!, c!))
  })
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
  const view = new Uint32Array(memory.buffer)
  words.forEach((word, index) => view.fill(word, index * 4, index * 4 + 4))
  try {
    const compiled = new WebAssembly.Module(module.bytes({ pages: 1, shared: false }))
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } })
    ;(exports['run'] as () => void)()
  } catch {
    return undefined
  }
  return Array.from(view.subarray(12, 16))
}

type Words = readonly [a: number, b: number, c: number]
type Operands = Parameters<ReturnType<typeof multiplyAdd>>

/**
 * The kernels that are fastest: what the tiles need fits in sixteen registers. With V8's
 * `--experimental-wasm-revectorize` two vectors become one, and the widest instruction is i16's.
 * An emulated sum takes more room than the sums themselves.
 */
export function kernelsFor({ fusion, dot }: Machine, isRevectorized: boolean): Kernels {
  const isWide = isRevectorized && dot !== 'quads'
  const vectors = isRevectorized ? 4 : 2
  return {
    tile: fusion === 'fused' ? { rows: 6, vectors } : { rows: 2, vectors: 2 },
    integerTile: { rows: 4, vectors: isWide ? 4 : 2 },
    dot: isWide ? 'i16' : dot,
  }
}
