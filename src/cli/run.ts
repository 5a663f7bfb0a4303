import { BaseError, codeOf, messageOf } from '../runtime/Errors.ts'

/**
 * Runs the body of a command: shows errors in words (or as one JSON line with `json`) and sets the
 * exit code, so that no command shows a stack trace for something its user can mend.
 */
export async function run(options: { json?: boolean | undefined }, body: () => Promise<void>) {
  try {
    await body()
  } catch (error) {
    process.exitCode = 1
    if (options.json) {
      process.stdout.write(
        `${JSON.stringify({ error: codeOf(error), message: messageOf(error) })}\n`,
      )
      return
    }
    const text = error instanceof BaseError ? `${error.message}\n(${error.code})` : describe(error)
    process.stderr.write(`weft: ${text}\n`)
  }
}

/**
 * Keeps a long-running command alive until SIGINT or SIGTERM, or, with `exitWithParent`, until
 * standard input ends, which it does when the parent dies in any way. Then disposes of `service`,
 * giving it ten seconds.
 */
export async function runUntilStopped(
  service: AsyncDisposable,
  options: { exitWithParent?: boolean | undefined },
): Promise<void> {
  const reason = await new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
    if (!options.exitWithParent) return
    process.stdin.resume()
    process.stdin.once('end', () => resolve('parent'))
    process.stdin.once('error', () => resolve('parent'))
  })
  const limit = setTimeout(() => process.exit(1), disposeLimitMs)
  await service[Symbol.asyncDispose]()
  clearTimeout(limit)
  // Native runtimes and pools may keep timers; everything of ours has been disposed of.
  process.exit(reason === 'SIGINT' ? 130 : 0)
}

const disposeLimitMs = 10_000

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
