import * as z from 'zod/mini'
import { ask, type Network } from '../../network/Network.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import { closesOf, replicaAfter } from '../closedRound.ts'
import type { State, Worker as Member } from '../coordinator/State.ts'
import type { Log } from '../log/openLog.ts'
import * as Rule from '../payload/Rule.ts'
import { hashOf, type Layout, lengthOf, type Replica } from '../Replica.ts'
import type { Contents } from './Contents.ts'
import { basisOf, type Replicas } from './openReplicas.ts'
import { fromBytes, greatestBytes } from './replicaBytes.ts'

/** The protocol by which a node that joins late asks for the newest state. */
export const checkpointProtocol = '/weft/training-checkpoint/1'

/** A node's part in having the state that the log leads to, and payloads as they are committed. */
export type Upkeep = {
  /** Applies closed rounds, or takes the newest state from another; false while it is behind the log. */
  keepUp(state: State): Promise<boolean>
  /** Whether nobody who answers has yet to come to the state that we have. */
  isShared(state: State): Promise<boolean>
  /** Gives a payload of a worker, from wherever it is to be had. */
  payloadOf(state: State, payload: Hex.Hex, worker: number): Promise<Uint8Array | undefined>
  /** Answers `checkpointProtocol`. */
  serve(): AsyncGenerator<Uint8Array>
}

/** Makes the upkeep of a node's states. */
export function upkeepOf(ports: upkeepOf.Ports, options: upkeepOf.Options): Upkeep {
  const { log, network, contents, replicas, logger, layout } = ports
  const { own, signal, onReplica } = options
  const { order } = log
  const payloadBytes = Rule.greatestBytes(order, lengthOf(layout))

  async function save(next: Replica): Promise<void> {
    await replicas.save(next, basisAt(next.rounds) ?? '')
    await onReplica?.(next)
  }

  /** What the log says a state of so many rounds comes from. */
  function basisAt(rounds: number): string | undefined {
    const close = closesOf(log.decisions()).findLast(({ round }) => round === rounds - 1)
    return close && basisOf(close)
  }

  async function keepUp(state: State): Promise<boolean> {
    const { number, parent } = state.round
    if (!(await replicas.goBack(basisAt))) return fetchState(state)
    const closes = closesOf(log.decisions())
    for (let replica = replicas.newest(); replica.rounds < number; replica = replicas.newest()) {
      const close = closes.findLast(({ round }) => round === replica.rounds)
      const after =
        close &&
        (await replicaAfter(replica, close, {
          layout,
          order,
          payloadOf: (payload, worker) => payloadOf(state, payload, worker),
        }))
      if (after?.type !== 'replica') return fetchState(state)
      await save(after.replica)
    }
    const replica = replicas.newest()
    const isOther = parent !== undefined && parent !== hashOf(layout, replica)
    return replica.rounds > number || isOther ? fetchState(state) : true
  }

  /** Takes the newest state from another worker, if it is the one that the log says is right. */
  async function fetchState(state: State): Promise<boolean> {
    for (const member of othersOf(state)) {
      try {
        const next = await stateOf(member, state)
        if (!next) continue
        await save(next)
        return true
      } catch (error) {
        signal.throwIfAborted()
        const facts = { peer: member.peer, code: codeOf(error), reason: messageOf(error) }
        logger.debug(facts, 'No state from there.')
      }
    }
    return false
  }

  async function stateOf({ peer, source }: Member, state: State): Promise<Replica | undefined> {
    const { round } = state
    const others = othersOf(state).map((each) => each.source)
    if (round.parent === undefined) return undefined
    const { rounds, content } = await checkpointOf(peer)
    if (rounds !== round.number) return undefined
    const maxBytes = greatestBytes(layout)
    // All who came as far have the same bytes: each sends a part of them.
    const sources = [source, ...others.filter((each) => each !== source)]
    const bytes = await contents.get(content, sources, { maxBytes, signal })
    const next = { rounds, ...fromBytes(layout, bytes) }
    return hashOf(layout, next) === round.parent ? next : undefined
  }

  async function checkpointOf(peer: string): Promise<z.infer<typeof checkpoint>> {
    const body = Json.toBytes({ run: log.run })
    const options = { signal, idleTimeoutMs: 3_000 }
    const reply = await ask(network, peer, checkpointProtocol, body, options)
    return Json.decode(checkpoint, reply, { what: 'checkpoint' })
  }

  async function isShared(state: State): Promise<boolean> {
    const own = replicas.newest().rounds
    const behind = await Promise.all(
      othersOf(state)
        .slice(-askedLimit)
        .map(({ peer }) =>
          checkpointOf(peer).then(
            ({ rounds }) => rounds < own,
            () => false,
          ),
        ),
    )
    return !behind.includes(true)
  }

  function othersOf({ workers }: State): readonly Member[] {
    return workers.filter(({ address, standing }) => standing === 'active' && address !== own)
  }

  function payloadOf(
    state: State,
    payload: Hex.Hex,
    worker: number,
  ): Promise<Uint8Array | undefined> {
    const first = state.workers[worker]!.source
    const others = othersOf(state).map(({ source }) => source)
    const options = { maxBytes: payloadBytes, signal }
    return contents.get(payload, [first, ...others], options).catch(() => undefined)
  }

  return {
    keepUp,
    isShared,
    payloadOf,
    async *serve() {
      yield Json.toBytes({ rounds: replicas.newest().rounds, content: replicas.content() })
    },
  }
}

export declare namespace upkeepOf {
  type Ports = {
    log: Log
    network: Network
    contents: Contents
    replicas: Replicas
    logger: Logger
    layout: Layout
    /** The parameters that the order begins with. */
    start: readonly Uint8Array[]
  }
  type Options = {
    own: Hex.Hex
    signal: AbortSignal
    /** Told of each state that the node comes to, before it goes on. */
    onReplica?: ((replica: Replica) => void | Promise<void>) | undefined
  }
}

/** How many others are asked whether they have come as far. */
const askedLimit = 64
const checkpoint = z.strictObject({
  rounds: z.int().check(z.minimum(0)),
  content: z.custom<Hex.Hex>(
    (value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value),
  ),
})
