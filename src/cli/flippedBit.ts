import { InvalidArgumentError } from 'commander'
import type { Backend, Executable } from '../exact/Backend.ts'

/** A bit of a tensor of a graph's state. */
export type Bit = {
  /** Name of the state slot. */
  readonly slot: string
  /** Bit `bit % 8` of byte `bit / 8`. */
  readonly bit: number
}

/**
 * A back end whose memory holds one bit wrong, and that does not know it: it reads back what was written, so
 * that hashes are right, and computes with something else. For testing those who are to find it.
 */
export function flippedBit(backend: Backend, { slot, bit }: Bit): Backend {
  return {
    name: `${backend.name}, bit ${bit} of ${slot} flipped`,
    async prepare(graph, options) {
      const executable = await backend.prepare(graph, options)
      const index = graph.state.findIndex(({ name }) => name === slot)
      return graph.next[index] === index ? faulty(executable, index, bit) : executable
    },
  }
}

function faulty(executable: Executable, index: number, bit: number): Executable {
  let written = executable.readState(index).slice()
  return {
    graph: executable.graph,
    memoryBytes: executable.memoryBytes,
    step: (batch) => executable.step(batch),
    readState: (slot) => (slot === index ? written : executable.readState(slot)),
    writeState(slot, bytes) {
      if (slot !== index) return executable.writeState(slot, bytes)
      written = bytes.slice()
      const wrong = bytes.slice()
      const byte = Math.floor(bit / 8)
      if (byte < wrong.length) wrong[byte]! ^= 1 << (bit % 8)
      executable.writeState(slot, wrong)
    },
    [Symbol.asyncDispose]: () => executable[Symbol.asyncDispose](),
  }
}

/** Parses a bit of the command line: `model.norm.weight:30`. */
export function parseBit(text: string): Bit {
  const [, slot, bit] = /^([\w.]{1,200}):(\d{1,12})$/.exec(text) ?? []
  if (slot !== undefined && bit !== undefined) return { slot, bit: Number(bit) }
  throw new InvalidArgumentError('Expected the name of a tensor and the number of a bit: NAME:BIT.')
}
