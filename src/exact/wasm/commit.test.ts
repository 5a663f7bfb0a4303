import { describe, expect, test } from 'vitest'
import * as Merkle from '../commit/merkle.ts'
import * as StateRoot from '../commit/StateRoot.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { startStateRoots } from '../run/startStateRoots.ts'
import { contract, input, place } from '../Tensor.ts'
import { startWasm } from './startWasm.ts'

/** Slots of one word, of a part of a leaf, of more than one subtree; a constant; a cache of which a row is written. */
const sizes = [[], [13], [300, 300], [1, 64], [7, 30]] as const
const [small, short, large, fixed, cache] = sizes.map((shape, index) =>
  input('state', `s${index}`, 'f32', shape),
) as [Tensor, Tensor, Tensor, Tensor, Tensor]
type Tensor = ReturnType<typeof input>
const row = input('batch', 'row', 'u32', [])

const grow = (x: Tensor) => Ops.shift(Ops.scale(x, 0.5), 1)
const graph = Graph.from({
  state: [
    [small, grow(small)],
    [short, grow(short)],
    [large, grow(contract(large, large))],
    [fixed, fixed],
    [cache, place(cache, Ops.constant(3, [1, 30]), row, 0)],
  ],
  batch: [row],
  results: {},
})

const first = sizes.map((shape, seed) => {
  const length = shape.reduce<number>((product, size) => product * size, 1)
  return new Uint8Array(Float32Array.from({ length }, (_, i) => Math.cos(i + seed)).buffer)
})
const rowOf = (step: number) => new Uint8Array(Uint32Array.of(step % 7).buffer)

describe.each([
  { threads: 1, hashers: 0 },
  { threads: 2, hashers: 0 },
  { threads: 3, hashers: 0 },
  { threads: 1, hashers: 1 },
  { threads: 2, hashers: 2 },
])('commit: $threads threads, $hashers that hash', (options) => {
  test('gives the roots over the slots that every step writes whole', async () => {
    await using backend = await startWasm({ ...options, aloneBelow: 0 })
    await using executable = await backend.prepare(graph)
    first.forEach((bytes, slot) => executable.writeState(slot, bytes))
    const before = executable.commit()
    const expected = first.map((bytes) => Merkle.rootOfBytes(bytes))
    expect([0, 1, 2, 3, 4].map(before)).toEqual([...expected.slice(0, 3), undefined, undefined])
  })

  test('commits to the state as it was when it began, whatever the next step writes', async () => {
    await using backend = await startWasm({ ...options, aloneBelow: 0 })
    await using executable = await backend.prepare(graph)
    first.forEach((bytes, slot) => executable.writeState(slot, bytes))
    const stateRoots = startStateRoots(executable)
    for (let step = 0; step < 12; step++) {
      const state = graph.state.map((_, slot) => executable.readState(slot).slice())
      const expected = StateRoot.from(graph.state, state)
      const root = stateRoots.begin()
      executable.step([rowOf(step)])
      expect(root()).toEqual(expected)
      expect(stateRoots()).toEqual(
        StateRoot.from(
          graph.state,
          graph.state.map((_, slot) => executable.readState(slot)),
        ),
      )
    }
  })

  test('is done before the state is written, or another begins', async () => {
    await using backend = await startWasm({ ...options, aloneBelow: 0 })
    await using executable = await backend.prepare(graph)
    const zeros = Merkle.rootOfBytes(new Uint8Array(first[2]!.byteLength))
    const [before, again] = [executable.commit(), executable.commit()]
    executable.writeState(2, first[2]!)
    const after = executable.commit()
    expect([before(2), again(2), after(2)]).toEqual([zeros, zeros, Merkle.rootOfBytes(first[2]!)])
  })
})
