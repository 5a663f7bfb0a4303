import type * as Api from '../../src/indexer/Api.ts'

/** One thing that happened, with everybody who signed that it did. */
export type Entry = {
  readonly key: string
  readonly at: number
  readonly code: string
  readonly lines: readonly Api.Line[]
  /** What they added, each once. */
  readonly details: readonly string[]
}

/** Buyer and provider often say the same of one thing; within this time it is one entry. */
const togetherMs = 10_000

/** Gathers lines into entries: the same code by different parties, about the same account. */
export function entriesOf(lines: readonly Api.Line[]): readonly Entry[] {
  const groups: Api.Line[][] = []
  for (const line of lines) {
    const group = line.transaction ? undefined : groups.findLast((each) => joins(each, line))
    if (group) group.push(line)
    else groups.push([line])
  }
  return groups.map((group) => {
    const [first] = group as [Api.Line]
    const signers = group.map((line) => line.by as string)
    const details = group.map(({ detail }) => detail)
    return {
      key: first.document?.id ?? `${first.transaction?.hash} ${first.code}`,
      at: first.at,
      code: first.code,
      lines: group,
      details: [...new Set(details)].filter((text) => text !== '' && !signers.includes(text)),
    }
  })
}

function joins(group: readonly Api.Line[], line: Api.Line): boolean {
  const first = group[0]!
  if (first.code !== line.code || first.subject !== line.subject || first.transaction) return false
  if (line.at - first.at > togetherMs || group.some(({ by }) => by === line.by)) return false
  // Several providers answer one order: only lines about the same one belong together.
  return line.subject !== 'order' || group.some((each) => aboutOf(each) === aboutOf(line))
}

function aboutOf({ role, by, detail }: Api.Line): string | null {
  return role === 'provider' ? by : (/^0x[0-9a-f]{40}\b/.exec(detail)?.[0] ?? by)
}

/** A part of a detail: plain words, or something that has a better form. */
export type Piece = {
  readonly kind: 'text' | 'account' | 'id' | 'code' | 'amount'
  readonly text: string
}

/** Splits a detail. `spoken`: it has words of its own, so codes in it need no sentence. */
export function piecesOf(detail: string): { pieces: readonly Piece[]; spoken: boolean } {
  const pieces = detail
    .split(/(0x[0-9a-f]{64}\b|0x[0-9a-f]{40}\b|\b\d+ micro-USD|\b[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+\b)/)
    .filter((text) => text !== '')
    .map(pieceOf)
  const spoken = pieces.some(({ kind, text }) => kind === 'text' && /[A-Za-z]/.test(text))
  return { pieces, spoken }
}

function pieceOf(text: string): Piece {
  if (/^0x[0-9a-f]{40}$/.test(text)) return { kind: 'account', text }
  if (/^0x[0-9a-f]{64}$/.test(text)) return { kind: 'id', text }
  if (/^\d+ micro-USD$/.test(text)) return { kind: 'amount', text: text.split(' ')[0]! }
  if (/^[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+$/.test(text)) return { kind: 'code', text }
  return { kind: 'text', text }
}
