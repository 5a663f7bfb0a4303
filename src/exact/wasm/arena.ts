/** Memory that is planned before a step runs: blocks come and go, and the highest address counts. */
export type Arena = {
  /** The address of a new block, in the smallest gap that holds it. */
  readonly take: (bytes: number) => number
  readonly free: (address: number) => void
  /** The first address above all blocks that there ever were. */
  readonly top: () => number
}

/** Blocks begin at multiples of this: cache lines are not shared. */
const alignment = 64

/** An arena from an address on. */
export function startArena(base: number): Arena {
  const start = aligned(base)
  // In order of address.
  const blocks: { readonly address: number; readonly bytes: number }[] = []
  let top = start
  return {
    take(length) {
      const bytes = aligned(Math.max(length, 1))
      let best = { index: blocks.length, address: endOf(blocks.at(-1), start), bytes: Infinity }
      blocks.forEach((block, index) => {
        const address = endOf(blocks[index - 1], start)
        const gap = block.address - address
        if (gap >= bytes && gap < best.bytes) best = { index, address, bytes: gap }
      })
      blocks.splice(best.index, 0, { address: best.address, bytes })
      top = Math.max(top, best.address + bytes)
      return best.address
    },
    free(address) {
      const index = blocks.findIndex((block) => block.address === address)
      if (index >= 0) blocks.splice(index, 1)
    },
    top: () => top,
  }
}

function endOf(
  block: { readonly address: number; readonly bytes: number } | undefined,
  start: number,
): number {
  return block ? block.address + block.bytes : start
}

function aligned(value: number): number {
  return Math.ceil(value / alignment) * alignment
}
