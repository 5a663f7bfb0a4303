import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Writes a file whole or not at all, whatever happens meanwhile: what was there before stays until all of
 * the new bytes are on the disk.
 *
 * @throws what the operating system says, as that the disk is full; the old file is then as it was.
 */
export function writeAtomically(path: string, content: string | Uint8Array): void {
  const temporary = `${path}${temporarySuffix}`
  try {
    const file = openSync(temporary, 'w')
    try {
      writeFileSync(file, content)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

/** What a file is called until it is whole. */
export const temporarySuffix = '.new'

/** Makes the new name last. Some systems do not let a folder be opened; their renames last by themselves. */
function syncFolder(path: string): void {
  let folder: number
  try {
    folder = openSync(path, 'r')
  } catch {
    return
  }
  try {
    fsyncSync(folder)
  } catch {
    // A file system that cannot sync a folder: nothing more can be done.
  } finally {
    closeSync(folder)
  }
}
