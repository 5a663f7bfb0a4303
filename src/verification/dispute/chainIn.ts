import { DataError, rowBegin } from '../../exact/data.ts'
import { readLeaf } from '../../exact/readLeaf.ts'
import { accumulatorsOf, operandsOf, type Reader } from '../judge/operandsOf.ts'
import { type Judged, type Place, type Read, sizeOf } from '../judge/readsOf.ts'
import type { DisputedStep } from './openStep.ts'
import type { Position } from '../../protocol/dispute/Position.ts'
import { ProverError, type Prover } from './startProver.ts'

/** What a prover computes of one element's chain. */
export type ChainIn = {
  readonly leaf: Judged
  readonly leafBytes: Uint8Array
  /** What stands where a segment reads. */
  readonly reader: Reader
  operands(place: Place): Uint8Array
  /** The accumulators before some segments in ascending order; that after the last is the element. */
  accumulators(element: number, segments: readonly number[]): readonly Uint8Array[]
}

/** The chain of the value in dispute, with what it reads at hand. */
export async function chainIn(
  prover: Prover,
  step: DisputedStep,
  { value }: Pick<Position, 'value'>,
): Promise<ChainIn> {
  const leafBytes = prover.graphLeaves[value]!
  const leaf = readLeaf(leafBytes)
  if (leaf.kind !== 'op' && leaf.kind !== 'batch')
    throw new ProverError(`Value ${value} is not computed: the claim is not about this graph.`)
  const inputs = leaf.kind === 'op' ? leaf.inputs : []
  const values = await step.values(inputs.map(({ index }) => index))
  const reader = ({ input, element }: Read) => {
    if (input === 'data') return dataAt(prover, step, { leaf, element })
    const { elementBytes } = sizeOf(inputs[input]!)
    return values[input]!.subarray(element * elementBytes, (element + 1) * elementBytes)
  }
  return {
    leaf,
    leafBytes,
    reader,
    operands: (place) => operandsOf(leaf, place, reader),
    accumulators(element, segments) {
      const found: Uint8Array[] = []
      let segment = 0
      for (const acc of accumulatorsOf(leaf, element, reader)) {
        if (segments.includes(segment++)) found.push(acc)
        if (found.length === segments.length) break
      }
      return found
    },
  }
}

/** Where a token stands in the data set. */
export function placeInData(
  { data, seed, worker }: Prover,
  { index }: DisputedStep,
  { leaf, element }: { leaf: Judged; element: number },
): number {
  const length = leaf.shape[1] ?? 1
  const row = Math.floor(element / length)
  if (!data) throw new DataError('The graph reads tokens: give the data set.')
  const begin = rowBegin(data.length, { seed, step: index, worker, row, length })
  return begin + (element % length)
}

function dataAt(
  prover: Prover,
  step: DisputedStep,
  at: { leaf: Judged; element: number },
): Uint8Array {
  const place = placeInData(prover, step, at)
  return prover.data!.subarray(place, place + 1)
}
