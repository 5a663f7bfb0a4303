import { TopicValidatorResult, type GossipSub, type Message } from '@libp2p/gossipsub'
import type { Clock } from '../../runtime/Clock.ts'
import { messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import * as Network from '../Network.ts'
import { rateLimit } from './rateLimit.ts'

/** The gossiping half of the network, over gossipsub. */
export type Gossip = {
  publish(topic: string, body: Uint8Array): Promise<void>
  subscribe(topic: string, listener: Network.Listener): AsyncDisposable
}

/** Messages a second that one author may gossip, and how many at once after a silence. */
const perSecond = 500
const burst = 2000

/** Messages that listeners of one topic work on at once; beyond that, messages are lost. */
const pendingLimit = 4096

/** Topics that a relay follows because its peers do. */
const followedLimit = 64

/** Creates the gossiping half. With `follow` it forwards those topics, and others that its peers subscribe to. */
export function gossip(
  ports: { clock: Clock; logger: Logger; pubsub: GossipSub },
  options: { follow?: readonly string[] | undefined } = {},
): Gossip {
  const { clock, logger, pubsub } = ports
  const { follow } = options
  const topics = new Map<string, { listeners: Set<Network.Listener>; pending: number }>()
  const limit = rateLimit(clock, { perSecond, burst })
  const enter = (name: string) => {
    const found = topics.get(name)
    if (found) return found
    const topic = { listeners: new Set<Network.Listener>(), pending: 0 }
    topics.set(name, topic)
    pubsub.topicValidators.set(name, (_, message) =>
      message.type === 'signed' && limit(message.from.toString())
        ? TopicValidatorResult.Accept
        : TopicValidatorResult.Ignore,
    )
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

  function hear(message: Message): void {
    const topic = topics.get(message.topic)
    if (!topic || message.type !== 'signed') return
    const from = message.from.toString()
    for (const listener of topic.listeners) {
      if (topic.pending >= pendingLimit) {
        logger.warn({ topic: message.topic, from }, 'Listeners are too slow: a message is lost.')
        return
      }
      topic.pending++
      void tell(listener, new Uint8Array(message.data), from, message.topic).then(
        () => topic.pending--,
      )
    }
  }

  pubsub.addEventListener('message', ({ detail }) => hear(detail))
  follow?.forEach(enter)
  if (follow)
    pubsub.addEventListener('subscription-change', ({ detail }) => {
      for (const { topic, subscribe } of detail.subscriptions)
        if (subscribe && topics.size < followedLimit) enter(topic)
    })

  return {
    async publish(topic, body) {
      const bytes = body.byteLength
      if (bytes > Network.gossipLimitBytes)
        throw new Network.TooLargeError({ bytes, limit: Network.gossipLimitBytes })
      try {
        await pubsub.publish(topic, body)
      } catch (error) {
        logger.debug({ topic, reason: messageOf(error) }, 'Nobody could be told.')
      }
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
