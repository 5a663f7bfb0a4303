import { TopicValidatorResult, type GossipSub, type Message } from '@libp2p/gossipsub'
import type { Identity } from '../../protocol/Identity.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import * as Network from '../Network.ts'
import { freshness } from './freshness.ts'
import { batchBytes, bodiesLimit, isSigned, open, seal } from './gossipEnvelope.ts'
import { rateLimit } from './rateLimit.ts'

/** The gossiping half of the network, over gossipsub. */
export type Gossip = {
  publish(topic: string, body: Uint8Array): Promise<void>
  subscribe(topic: string, listener: Network.Listener): AsyncDisposable
}

/** Bodies a second that one author may gossip, and how many at once after a silence. */
const perSecond = 2000
const burst = 8000

/** How long bodies gather after a message before they go out as the next one, and how many wait for that at most. */
const gatherMs = 100
const waitingLimit = 8192

/** Messages that listeners of one topic work on at once; beyond that, messages are lost. */
const pendingLimit = 4096

/** Topics that a relay follows because its peers do. */
const followedLimit = 64

/** Creates the gossiping half. With `follow` it forwards those topics, and others that its peers subscribe to. */
export function gossip(
  ports: { identity: Identity; clock: Clock; logger: Logger; pubsub: GossipSub },
  options: { follow?: readonly string[] | undefined } = {},
): Gossip {
  const { identity, clock, logger, pubsub } = ports
  const { follow } = options
  const topics = new Map<string, { listeners: Set<Network.Listener>; pending: number }>()
  const limit = rateLimit(clock, { perSecond, burst })
  const isFresh = freshness(clock)
  let lastAt = 0
  const enter = (name: string) => {
    const found = topics.get(name)
    if (found) return found
    const topic = { listeners: new Set<Network.Listener>(), pending: 0 }
    topics.set(name, topic)
    pubsub.topicValidators.set(name, (_, { data }) => {
      const envelope = open(data)
      if (!envelope) return TopicValidatorResult.Reject
      const { from, at, bodies } = envelope
      if (!isSigned(name, data, from)) return TopicValidatorResult.Reject
      return limit(from, bodies.length) && isFresh(from, at)
        ? TopicValidatorResult.Accept
        : TopicValidatorResult.Ignore
    })
    pubsub.subscribe(name)
    return topic
  }

  async function tell(listener: Network.Listener, body: Uint8Array, from: string, name: string) {
    try {
      await listener(body, { from })
    } catch (error) {
      logger.warn({ topic: name, from, reason: messageOf(error) }, 'A listener lost a message.')
    }
  }

  /** What arrives here has passed the validator of its topic. */
  function hear({ topic: name, data }: Message): void {
    const topic = topics.get(name)
    const envelope = open(data)
    if (!topic || !envelope) return
    const { from, bodies } = envelope
    for (const body of bodies)
      for (const listener of topic.listeners) {
        if (topic.pending >= pendingLimit) {
          logger.warn({ topic: name, from }, 'Listeners are too slow: a message is lost.')
          return
        }
        topic.pending++
        void tell(listener, new Uint8Array(body), from, name).then(() => topic.pending--)
      }
  }

  pubsub.addEventListener('message', ({ detail }) => hear(detail))
  follow?.forEach(enter)
  if (follow)
    pubsub.addEventListener('subscription-change', ({ detail }) => {
      for (const { topic, subscribe } of detail.subscriptions)
        if (subscribe && topics.size < followedLimit) enter(topic)
    })

  const waiting = new Map<string, Uint8Array[]>()

  async function send(topic: string, bodies: readonly Uint8Array[]): Promise<void> {
    lastAt = Math.max(lastAt + 1, clock.now())
    try {
      await pubsub.publish(topic, seal(identity, topic, { at: lastAt, bodies }))
    } catch (error) {
      logger.debug({ topic, reason: messageOf(error) }, 'Nobody could be told.')
    }
  }

  /** Sends the first body at once, and then what has gathered, in as few messages as their size allows. */
  async function flush(topic: string): Promise<void> {
    // What is published in one breath goes together.
    await Promise.resolve()
    for (let bodies = waiting.get(topic) ?? []; bodies.length > 0; bodies = waiting.get(topic)!) {
      waiting.set(topic, [])
      while (bodies.length > 0) await send(topic, bodies.splice(0, fitting(bodies)))
      await clock.sleep(gatherMs)
    }
    waiting.delete(topic)
  }

  return {
    async publish(topic, body) {
      const bytes = body.byteLength
      if (bytes > Network.gossipLimitBytes)
        throw new Network.TooLargeError({ bytes, limit: Network.gossipLimitBytes })
      const queue = waiting.get(topic)
      if (queue) {
        if (queue.length < waitingLimit) queue.push(new Uint8Array(body))
        return
      }
      waiting.set(topic, [new Uint8Array(body)])
      void flush(topic)
    },
    subscribe(name, listener) {
      const { listeners } = enter(name)
      listeners.add(listener)
      return {
        async [Symbol.asyncDispose]() {
          listeners.delete(listener)
          if (listeners.size > 0 || follow) return
          topics.delete(name)
          pubsub.topicValidators.delete(name)
          pubsub.unsubscribe(name)
        },
      }
    },
  }
}

/** How many of the first bodies go into one message; always one. */
function fitting(bodies: readonly Uint8Array[]): number {
  let bytes = 0
  const over = bodies.findIndex((body, index) => {
    bytes += body.byteLength
    return index > 0 && (bytes > batchBytes || index >= bodiesLimit)
  })
  return over === -1 ? bodies.length : over
}
