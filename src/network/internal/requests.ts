import type { Connection } from '@libp2p/interface'
import { joinSignals, type Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import * as Network from '../Network.ts'
import { decodeError, encode, FrameError } from './frames.ts'
import { isUnsupported, StaleError, type LinePool, type TakenLine } from './linePool.ts'
import { watchdog, type Watchdog } from './watchdog.ts'

/** How long a line waits for the `end` that follows the only reply, so that it can be used again. */
const graceMs = 50

/** The asking half of requests. */
export function requests(ports: { clock: Clock; pool: LinePool; stopped: AbortSignal }) {
  const { clock, pool, stopped } = ports

  async function* request(
    to: string,
    protocol: string,
    body: Uint8Array,
    { signal, idleTimeoutMs = 30_000 }: Network.RequestOptions = {},
  ): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted()
    const bytes = body.byteLength
    if (bytes > Network.limitBytes) throw new Network.TooLargeError({ bytes })
    const silent = new AbortController()
    using ended = joinSignals(silent.signal, stopped, signal)
    const stop = ended.signal
    using silence = watchdog(clock, idleTimeoutMs, () =>
      silent.abort(new Network.TimeoutError({ peer: to, protocol, timeoutMs: idleTimeoutMs })),
    )
    const frame = encode('message', body)
    try {
      const exchange = { to, protocol, frame, stop, silence }
      const failed = yield* attempt(exchange)
      if (failed) yield* attempt(exchange, failed)
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      if (silent.signal.aborted) throw silent.signal.reason
      throw error instanceof BaseError && !(error instanceof FrameError)
        ? error
        : new Network.UnreachableError({ peer: to, cause: error })
    }
  }

  /** One try. Returns a connection that failed before anything was received, if it was an old one. */
  async function* attempt(
    exchange: Exchange,
    avoid?: Connection,
  ): AsyncGenerator<Uint8Array, Connection | undefined> {
    const { to, protocol, frame, stop, silence } = exchange
    let taken: TakenLine | undefined
    let received = 0
    let state: 'busy' | 'ended' = 'busy'
    const reset = () => taken?.line.reset(stop.reason)
    stop.addEventListener('abort', reset, { once: true })
    try {
      silence.start()
      taken = await pool.take(to, protocol, { signal: stop, avoid })
      stop.throwIfAborted()
      await taken.line.send(frame, stop)
      for (;;) {
        silence.start()
        const { type, payload } = await taken.line.next()
        silence.rest()
        received++
        if (type !== 'message') state = 'ended'
        if (type === 'end') return undefined
        if (type === 'error') throw remoteError(payload, to, protocol)
        yield payload
        stop.throwIfAborted()
      }
    } catch (error) {
      const old = error instanceof StaleError || taken?.reused === true
      const connection = error instanceof StaleError ? error.connection : taken?.connection
      if (!avoid && old && received === 0 && !stop.aborted) return connection
      if (isUnsupported(error)) throw new Network.NoHandlerError({ peer: to, protocol })
      throw error
    } finally {
      silence.rest()
      stop.removeEventListener('abort', reset)
      if (taken && state === 'ended') pool.release(taken)
      else if (taken) hangUp(taken, stop)
    }
  }

  /** Tells the peer to stop, unless the `end` is on its way: whoever asks for one reply reads no further. */
  function hangUp(taken: TakenLine, stop: AbortSignal): void {
    if (stop.aborted || !taken.line.open) return pool.discard(taken, over)
    const late = new AbortController()
    const next = taken.line.next().then(
      ({ type }) => type !== 'message',
      () => false,
    )
    const grace = clock.sleep(graceMs, { signal: late.signal }).then(
      () => false,
      () => false,
    )
    void Promise.race([next, grace]).then((ended) => {
      late.abort(over)
      if (ended) pool.release(taken)
      else pool.discard(taken, over)
    })
  }

  return request
}

/** Made once: an error a request would cost a stack trace a request. */
const over = new Error('The caller has ended the request.')

type Exchange = {
  readonly to: string
  readonly protocol: string
  readonly frame: Uint8Array
  readonly stop: AbortSignal
  readonly silence: Watchdog
}

function remoteError(payload: Uint8Array, peer: string, protocol: string): BaseError {
  const error = decodeError(payload)
  return error.code === 'Network.NoHandlerError'
    ? new Network.NoHandlerError({ peer, protocol })
    : error
}
