import { bytesToHex, numberToHex } from 'viem'
import * as z from 'zod/mini'
import type * as Hex from '../protocol/Hex.ts'
import { RpcError, type EvmChain } from './evmChain.ts'
import { describeBlock, describeLogs, describeReceipt, describeTransaction } from './evmFormat.ts'

/** Answers the part of Ethereum's JSON-RPC that `viemChain` uses, one request after the other. */
export function evmRpc(
  chain: EvmChain,
  { chainId }: { chainId: number },
): (method: string, params: readonly unknown[]) => Promise<unknown> {
  const handlers = handlersOf(chain, chainId)
  let last: Promise<unknown> = Promise.resolve()
  return (method, params) => {
    const handler = handlers[method]
    if (!handler) return Promise.reject(new RpcError(-32_601, `no method ${method}`))
    const result = last.then(() => handler(params))
    last = result.catch(() => undefined)
    return result
  }
}

type Handler = (params: readonly unknown[]) => Promise<unknown>

function handlersOf(chain: EvmChain, chainId: number): Readonly<Record<string, Handler>> {
  const { blocks, places } = chain
  const head = () => blocks.at(-1)!
  const numberOf = (tag: unknown) => {
    const text = read(z.optional(z.string()), tag) ?? 'latest'
    if (text.startsWith('0x')) return Number(text)
    return text === 'earliest' ? 0 : head().number
  }
  return {
    eth_chainId: async () => numberToHex(chainId),
    net_version: async () => `${chainId}`,
    web3_clientVersion: async () => 'weft/ethereumjs',
    eth_blockNumber: async () => numberToHex(head().number),
    eth_gasPrice: async () => '0x0',
    eth_maxPriorityFeePerGas: async () => '0x0',
    eth_getBalance: async () => '0x0',
    eth_getBlockByNumber: async ([tag]) => describeBlock(blocks[numberOf(tag)]),
    eth_getBlockByHash: async ([hash]) => describeBlock(blocks.find((one) => one.hash === hash)),
    eth_getCode: async ([address]) => bytesToHex(await chain.code(read(hex, address))),
    async eth_getTransactionCount([address, tag]) {
      const options = { pending: tag === 'pending' }
      return numberToHex(await chain.nonce(lower(read(hex, address)), options))
    },
    async eth_call([target, tag]) {
      if (numberOf(tag) < head().number)
        throw new RpcError(-32_000, 'the state of old blocks is not kept')
      return bytesToHex((await chain.simulate(read(call, target))).returned)
    },
    eth_estimateGas: async ([target]) =>
      numberToHex((await chain.simulate(read(call, target))).gasUsed),
    eth_sendRawTransaction: ([raw]) => chain.submit(read(hex, raw)),
    async eth_getTransactionByHash([value]) {
      const hash = read(hex, value)
      const place = places.get(hash)
      const pooled = chain.pooled(hash)
      if (place) return describeTransaction(place.block.included[place.index]!, place)
      return pooled ? describeTransaction(pooled) : null
    },
    async eth_getTransactionReceipt([hash]) {
      const place = places.get(read(hex, hash))
      return place ? describeReceipt(place) : null
    },
    async eth_getLogs([value]) {
      const { fromBlock, toBlock, address, topics = [] } = read(filter, value)
      const addresses = address === undefined ? undefined : [address].flat().map(lower)
      const range = { from: numberOf(fromBlock), to: numberOf(toBlock) }
      const wanted = topics.map((topic) => (topic === null ? null : [topic].flat().map(lower)))
      return describeLogs(blocks, { ...range, addresses, topics: wanted })
    },
    async evm_mine() {
      await chain.mine()
      return '0x0'
    },
    evm_increaseTime: async ([seconds]) => chain.skip(read(z.number(), seconds)),
    evm_setNextBlockTimestamp: async ([seconds]) =>
      chain.setNextTimestamp(read(z.number(), seconds)),
  }
}

const hex = z.string().check(z.regex(/^0x[0-9a-fA-F]*$/)) as unknown as z.ZodMiniType<Hex.Hex>
const call = z.object({
  from: z.optional(hex),
  to: z.optional(hex),
  data: z.optional(hex),
  input: z.optional(hex),
})
const filter = z.object({
  address: z.optional(z.union([hex, z.array(hex)])),
  topics: z.optional(z.array(z.nullable(z.union([hex, z.array(hex)])))),
  fromBlock: z.optional(z.string()),
  toBlock: z.optional(z.string()),
})

function read<value>(schema: z.ZodMiniType<value>, input: unknown): value {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  throw new RpcError(-32_602, `invalid params: ${result.error.issues[0]?.message}`)
}

function lower(text: Hex.Hex): Hex.Hex {
  return text.toLowerCase() as Hex.Hex
}
