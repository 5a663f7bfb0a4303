import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DataError } from '../../exact/data.ts'
import { FileError, readBytes } from '../readBytes.ts'

/**
 * What a worker learns from: a file as it is, or all text files of a folder and below, in the order of
 * their paths, with a line feed after each. Hidden ones, links and what is not UTF-8 are left out.
 *
 * @throws {FileError} when something cannot be read.
 * @throws {DataError} when there is no text in the folder, or too much of it.
 */
export function readData(path: string): Uint8Array<ArrayBuffer> {
  if (!isFolder(path)) return readBytes(path)
  const parts: Uint8Array[] = []
  let size = 0
  for (const file of filesBelow(path)) {
    const bytes = readBytes(file)
    if (!isText(bytes)) continue
    parts.push(bytes, lineFeed)
    size += bytes.byteLength + 1
    if (size > greatestBytes)
      throw new DataError(
        `There is more text in ${path} than a worker takes, ${greatestBytes} bytes.`,
      )
  }
  if (size === 0) throw new DataError(`There is no text in ${path}: give a folder with text files.`)
  return new Uint8Array(Buffer.concat(parts))
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (cause) {
    throw new FileError({ path, cause })
  }
}

function filesBelow(folder: string): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

function isText(bytes: Uint8Array): boolean {
  if (bytes.includes(0)) return false
  try {
    utf8.decode(bytes)
    return true
  } catch {
    return false
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
const lineFeed = Uint8Array.of(10)
const greatestBytes = 2 ** 30
