/** Random words: Philox4x32-10, four words a counter. */
import type { Code, Function, Local, Scope } from './assemble.ts'
import type { Compilation } from './Compilation.ts'
import { bytesOf, count, i32, i64, one, when, zero } from './instructions.ts'

/** A function (to, seedAt, stepAt, stream, elements, begin, end): words of the counters `begin` to `end`. */
export function philoxFunction({ module }: Compilation): Function {
  const parameters = Array.from({ length: 7 }, () => 'i32' as const)
  return module.once('philox', () => module.define({ parameters }, body))
}

function body({ parameters, local }: Scope): Code {
  const [to, seedAt, stepAt, stream, elements, begin, end] = parameters as Locals7
  const counter = local('i32')
  const words = [local('i32'), local('i32'), local('i32'), local('i32')] as const
  const [c0, c1, c2, c3] = words
  const [k0, k1, round] = [local('i32'), local('i32'), local('i32')]
  const [first, second] = [local('i64'), local('i64')]
  const wide = (word: Local, factor: bigint) => i64.mul(i64.extendU(word.get), i64.const(factor))
  const high = (product: Local) => i32.wrap(i64.shrU(product.get, i64.const(32n)))
  const xor3 = (a: Code, b: Local, c: Local) => i32.xor(i32.xor(a, b.get), c.get)
  const oneRound = [
    first.set(wide(c0, 0xd251_1f53n)),
    second.set(wide(c2, 0xcd9e_8d57n)),
    c0.set(xor3(high(second), c1, k0)),
    c1.set(i32.wrap(second.get)),
    c2.set(xor3(high(first), c3, k1)),
    c3.set(i32.wrap(first.get)),
    k0.set(i32.add(k0.get, i32.const(0x9e37_79b9))),
    k1.set(i32.add(k1.get, i32.const(0xbb67_ae85))),
  ]
  const element = (index: number) => i32.add(i32.shl(counter.get, i32.const(2)), i32.const(index))
  return count(counter, { from: begin.get, to: end.get, step: one }, [
    c0.set(counter.get),
    c1.set(i32.load(stepAt.get)),
    c2.set(stream.get),
    c3.set(zero),
    k0.set(i32.load(seedAt.get)),
    k1.set(i32.load(seedAt.get, 4)),
    count(round, { from: zero, to: i32.const(10), step: one }, oneRound),
    words.map((word, index) =>
      when(
        i32.ltU(element(index), elements.get),
        i32.store(i32.add(to.get, bytesOf(element(index))), word.get),
      ),
    ),
  ])
}

type Locals7 = [Local, Local, Local, Local, Local, Local, Local]
