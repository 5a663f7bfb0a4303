import { BaseError } from '../runtime/Errors.ts'

/**
 * How peers reach each other, as a port. `libp2p.ts` is the real one, `memory.ts` the one for tests.
 * A peer is named by its peer id, which the network has proved: `Identity.addressOf` turns it into the
 * account it stands for.
 */
export type Network = AsyncDisposable & {
  /** Our own peer id. */
  readonly self: string
  /** Multiaddrs at which we can be dialled now, relayed ones included. */
  addresses(): readonly string[]
  /** Remembers where a peer can be dialled. Addresses come from outside: at most 16 a peer are kept. */
  learn(peer: string, addresses: readonly string[]): void
  /**
   * Sends one message, when the first reply is asked for, and yields the replies as they come.
   * Ending the iteration early, or aborting, tells the peer to stop; an aborted iteration throws the signal's reason.
   * The peer may hear a request twice: it is sent once more when a connection breaks before the first reply.
   *
   * @throws {UnreachableError} when the peer cannot be dialled or goes away. Ourselves we cannot reach.
   * @throws {TimeoutError} when the peer is silent for longer than `idleTimeoutMs`.
   * @throws {NoHandlerError} when the peer does not answer the protocol.
   * @throws {TooLargeError} when the body is larger than `limitBytes`; nothing is sent.
   * @throws {RemoteError} when the peer answers with an error; its `code` is the peer's.
   */
  request(
    to: string,
    protocol: string,
    body: Uint8Array,
    options?: RequestOptions,
  ): AsyncIterable<Uint8Array>
  /**
   * Answers `protocol` until the returned handle is disposed. What is being answered then goes on.
   *
   * @throws {TakenError} when the protocol is answered already.
   */
  handle(protocol: string, handler: Handler): AsyncDisposable
  /**
   * Tells every subscriber of `topic`, ourselves not included. Delivery is best effort: nobody hearing is no error.
   *
   * @throws {TooLargeError} when the body is larger than `gossipLimitBytes`.
   */
  publish(topic: string, body: Uint8Array): Promise<void>
  /** Hears a topic until the returned handle is disposed. A listener that throws loses that message only. */
  subscribe(topic: string, listener: Listener): AsyncDisposable
}

export type RequestOptions = {
  signal?: AbortSignal | undefined
  /** The longest silence tolerated before the first and between replies; dialling counts. @default 30_000 */
  idleTimeoutMs?: number | undefined
}

/**
 * Yields replies. What it throws reaches the caller as a `RemoteError` with the same code and sentence,
 * nothing else of it. `signal` is aborted when the caller ends early or is gone.
 */
export type Handler = (
  body: Uint8Array,
  options: { from: string; signal: AbortSignal },
) => AsyncIterable<Uint8Array>

export type Listener = (body: Uint8Array, options: { from: string }) => void | Promise<void>

/** The largest message a peer may send, in bytes. */
export const limitBytes = 4 * 1024 * 1024

/** The largest message that is gossiped, in bytes: everyone carries it. */
export const gossipLimitBytes = 64 * 1024

/**
 * Sends one message and returns the only reply.
 *
 * @throws {NoReplyError} when the peer ends without one.
 */
export async function ask(
  network: Network,
  to: string,
  protocol: string,
  body: Uint8Array,
  options: RequestOptions = {},
): Promise<Uint8Array> {
  for await (const reply of network.request(to, protocol, body, options)) return reply
  throw new NoReplyError({ peer: to, protocol })
}

/** Thrown when a peer cannot be dialled, or the connection to it breaks. */
export class UnreachableError extends BaseError {
  override readonly code = 'Network.UnreachableError'

  constructor({ peer, cause }: { peer: string; cause?: unknown }) {
    super('The peer cannot be reached.', {
      cause,
      metaMessages: [
        `Peer: ${peer}`,
        ...(cause instanceof Error ? [`Reason: ${cause.message}`] : []),
      ],
    })
  }
}

/** Thrown when a peer stays silent for too long. */
export class TimeoutError extends BaseError {
  override readonly code = 'Network.TimeoutError'

  constructor({
    peer,
    protocol,
    timeoutMs,
  }: {
    peer: string
    protocol: string
    timeoutMs: number
  }) {
    super('The peer did not answer in time.', {
      metaMessages: [`Peer: ${peer}`, `Protocol: ${protocol}`, `Waited: ${timeoutMs} ms`],
    })
  }
}

/** Thrown when a peer ends without the reply it owes. */
export class NoReplyError extends BaseError {
  override readonly code = 'Network.NoReplyError'

  constructor({ peer, protocol }: { peer: string; protocol: string }) {
    super('The peer ended without a reply.', {
      metaMessages: [`Peer: ${peer}`, `Protocol: ${protocol}`],
    })
  }
}

/** Thrown when a peer does not answer a protocol. */
export class NoHandlerError extends BaseError {
  override readonly code = 'Network.NoHandlerError'

  constructor({ peer, protocol }: { peer: string; protocol: string }) {
    super('The peer does not answer this protocol.', {
      metaMessages: [`Peer: ${peer}`, `Protocol: ${protocol}`],
    })
  }
}

/** Thrown when a message is larger than peers accept. */
export class TooLargeError extends BaseError {
  override readonly code = 'Network.TooLargeError'

  constructor({ bytes, limit = limitBytes }: { bytes: number; limit?: number }) {
    super('The message is larger than peers accept.', {
      metaMessages: [`Size: ${bytes} bytes`, `Limit: ${limit} bytes`],
    })
  }
}

/** Thrown when two parts of one program want to answer the same protocol. */
export class TakenError extends BaseError {
  override readonly code = 'Network.TakenError'

  constructor({ protocol }: { protocol: string }) {
    super('The protocol is answered already.', {
      metaMessages: [`Protocol: ${protocol}`, 'Fix: dispose of the first handler.'],
    })
  }
}

/** An error that a peer answered with: its code and its sentence, nothing else of it is trusted. */
export class RemoteError extends BaseError {
  override readonly code: string

  constructor({ code, message }: { code: string; message: string }) {
    super(message.slice(0, 1024))
    this.code = code.slice(0, 128)
  }
}
