import type * as Offer from '../../protocol/Offer.ts'

/** What is asked of `nvidia-smi`, in the order in which `parseNvidiaSmi` reads it. */
export const nvidiaSmiArguments: readonly string[] = [
  '--query-gpu=index,name,memory.total,driver_version,pci.bus_id,uuid,mig.mode.current',
  '--format=csv,noheader,nounits',
]

/**
 * Reads the table that `nvidia-smi` prints: one line a GPU, memory in MiB.
 *
 * A line that is no GPU (a message, a lost device) is left out. A GPU that does not say its memory,
 * as those that share the machine's, counts with 0 bytes. With MIG on it is listed whole, and its
 * name says so, because its memory is sold in slices.
 */
export function parseNvidiaSmi(output: string): readonly Gpu[] {
  return output
    .slice(0, limits.characters)
    .split('\n')
    .slice(0, limits.gpus)
    .flatMap((line) => parseLine(line) ?? [])
}

export type Gpu = Offer.Hardware['gpus'][number]

const limits = { characters: 65_536, gpus: 64, memoryMiB: 16 * 1024 * 1024 }

function parseLine(line: string): Gpu | undefined {
  const fields = line.split(',').map((field) => field.trim())
  const [index, name, memory, driver, , uuid, mig] = fields
  if (fields.length !== 7 || !/^\d{1,3}$/.test(index!)) return undefined
  if (!known(name!) || !/^GPU-[0-9a-f-]{8,64}$/i.test(uuid!)) return undefined
  const memoryMiB = /^\d+$/.test(memory!) ? Number(memory) : 0
  if (memoryMiB > limits.memoryMiB) return undefined
  return {
    name: `${printable(name!)}${mig === 'Enabled' ? ' (MIG)' : ''}`,
    memoryBytes: BigInt(memoryMiB) * 1_048_576n,
    driver: known(driver!) ? printable(driver!) : '',
  }
}

/** `[N/A]`, `[Not Supported]`, `[GPU is lost]` and the like stand for what is not known. */
function known(field: string): boolean {
  return field !== '' && !field.startsWith('[')
}

function printable(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]/g, '').slice(0, 128)
}
