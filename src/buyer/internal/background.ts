import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'

/** Work that nobody awaits, so that none of it is lost from sight: errors are logged, the end waits for all. */
export type Background = AsyncDisposable & {
  /** Ends when the owner does; given to everything that waits. */
  readonly signal: AbortSignal
  run(name: string, work: () => Promise<void>): void
}

/** Creates an owner of background work. Disposing of it aborts the signal and waits for what runs. */
export function createBackground({ logger }: { logger: Logger }): Background {
  const controller = new AbortController()
  const running = new Set<Promise<void>>()
  return {
    signal: controller.signal,
    run(name, work) {
      if (controller.signal.aborted) return
      const task = work().catch((error: unknown) => {
        if (!controller.signal.aborted)
          logger.warn({ task: name, code: codeOf(error), reason: messageOf(error) }, 'Task failed.')
      })
      running.add(task)
      void task.then(() => running.delete(task))
    },
    async [Symbol.asyncDispose]() {
      controller.abort(new DOMException('The service has been stopped.', 'AbortError'))
      await Promise.all(running)
    },
  }
}
