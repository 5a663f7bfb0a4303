import { BaseError, messageOf } from '../../runtime/Errors.ts'
import { LockedError } from '../../runtime/fileLock.ts'

/**
 * Does something with files of a run.
 *
 * @param what it is that failed, when it fails.
 * @throws {DiskError} with the reason in words.
 */
export function onDisk<T>(folder: string, what: string, body: () => T): T {
  try {
    return body()
  } catch (cause) {
    throw new DiskError(what, { folder, cause })
  }
}

/** Thrown when a run's folder cannot be written. */
export class DiskError extends BaseError {
  override readonly code = 'Cli.DiskError'

  constructor(what: string, { folder, cause }: { folder: string; cause: unknown }) {
    super(`${what}: ${reasonOf(cause)}.`, {
      cause,
      metaMessages: [
        `Folder: ${folder}`,
        'Fix: make room there, or stop the other process; then the same command goes on from what is kept.',
      ],
    })
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof LockedError) return 'another process works in it'
  const { code = '' } = cause as { code?: string }
  const known: Partial<Record<string, string>> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the quota of disk space is used up',
    EFBIG: 'files may not be so large here',
    EROFS: 'the disk is read-only',
    EACCES: 'the folder may not be written',
  }
  return known[code] ?? messageOf(cause).split('\n')[0]!
}
