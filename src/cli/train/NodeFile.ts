import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import * as Json from '../../protocol/Json.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import { readBytes } from '../readBytes.ts'

/** What a node of a run remembers of where it is and whom it knows, so that others find it after a crash. */
export type NodeFile = z.output<typeof schema>

const port = z.int().check(z.minimum(0), z.maximum(65_535))
const schema = z.strictObject({
  bulkPort: port,
  listenPort: port,
  /** Multiaddrs with peer ids of other nodes, the newest last. */
  peers: z.array(z.string().check(z.maxLength(512))).check(z.maxLength(64)),
})

/** What stands in the folder, or nothing known. */
export function read(folder: string): NodeFile {
  const path = join(folder, name)
  if (existsSync(path))
    try {
      return Json.decode(schema, readBytes(path), { what: name })
    } catch {
      // Nothing depends on it: the node finds others by the run file, and takes any port.
    }
  return { bulkPort: 0, listenPort: 0, peers: [] }
}

/** Writes it whole or not at all. */
export function write(folder: string, file: NodeFile): void {
  writeAtomically(join(folder, name), `${JSON.stringify(file)}\n`)
}

const name = 'node.json'
