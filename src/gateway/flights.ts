import type { ServerResponse } from 'node:http'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import { DeadlineError, StoppingError } from './Problem.ts'
import type { Flight } from './Serving.ts'

/**
 * Watches over the requests being answered. Disposing of it aborts them all and waits until they have
 * ended, at most `graceMs`.
 */
export function startFlights(
  { clock }: { clock: Clock },
  { timeoutMs, graceMs = 5000 }: { timeoutMs: number; graceMs?: number },
): AsyncDisposable & { readonly takeOff: (raw: ServerResponse) => Flight } {
  const flying = new Set<AbortController>()
  let emptied: (() => void) | undefined
  let stopping = false

  return {
    takeOff(raw) {
      if (stopping) throw new StoppingError()
      const controller = new AbortController()
      const { signal } = controller
      let gone = false
      const onClose = () => {
        gone = !raw.writableFinished
        controller.abort(new ClientGoneError())
      }
      const land = () => {
        raw.off('close', onClose)
        controller.abort(landed)
        flying.delete(controller)
        if (flying.size === 0) emptied?.()
      }
      flying.add(controller)
      raw.once('close', onClose)
      clock.sleep(timeoutMs, { signal }).then(
        () => controller.abort(new DeadlineError({ timeoutMs })),
        () => undefined,
      )
      return { signal, clientGone: () => gone, land, [Symbol.dispose]: land }
    },
    async [Symbol.asyncDispose]() {
      stopping = true
      if (flying.size === 0) return
      const empty = new Promise<void>((resolve) => (emptied = resolve))
      for (const controller of flying) controller.abort(new StoppingError())
      const enough = new AbortController()
      const grace = clock.sleep(graceMs, { signal: enough.signal }).catch(() => undefined)
      await Promise.race([empty, grace])
      enough.abort()
    },
  }
}

/** Made once: an error a request would cost a stack trace a request. */
const landed = new Error('The request has ended.')

/** Why a job is aborted when its client closed the connection. */
export class ClientGoneError extends BaseError {
  override readonly code = 'Gateway.ClientGoneError'

  constructor() {
    super('The client closed the connection.')
  }
}
