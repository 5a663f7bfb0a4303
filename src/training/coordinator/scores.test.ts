import { describe, expect, test } from 'vitest'
import { addressOf, hash, of, order, play, run, signature } from '../../../test/trainingTicks.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import { type Score, sealOf } from '../../protocol/training/Score.ts'
import { isShown } from './scores.ts'
import type { State } from './State.ts'
import { tick } from './tick.ts'

const all = { ...order, trainer: 'any', auditMicro: 1_000_000 }

describe('assignScores', () => {
  test('has a share of the rounds scored whole, each by three, and the last one always', () => {
    const some = { ...all, auditMicro: 200_000 }
    const { decisions } = play({ workers: 6, rounds: 40, order: some, scores: fair({}) })
    const asked = of(decisions, 'scores-asked')
    expect(asked.at(-1)!.round).toBe(39)
    expect(asked.length).toBeGreaterThan(3)
    expect(asked.length).toBeLessThan(16)
    for (const { members, scorers } of asked) {
      expect(new Set(members)).toEqual(new Set([0, 1, 2, 3, 4, 5]))
      expect(new Set(scorers).size).toBe(3)
    }
    expect(of(decisions, 'scored').length).toBe(6 * asked.length)
    expect(of(decisions, 'audit-assigned')).toEqual([])
  })

  test('scores nothing where there are not two others to agree, and pays', () => {
    const { decisions } = play({ workers: 2, order: all })
    expect(of(decisions, 'scores-asked')).toEqual([])
    expect(of(decisions, 'paid').length).toBe(10)
  })

  test('cuts many contributions into groups', () => {
    const { decisions } = play({ workers: 70, rounds: 1, order: all, scores: fair({}) })
    const groups = of(decisions, 'scores-asked').map(({ members }) => members.length)
    expect(groups).toEqual([23, 23, 24])
    expect(of(decisions, 'scored').length).toBe(70)
  })
})

describe('settleScores', () => {
  test('leaves unpaid and then convicts whose updates come from nowhere, and pays all others', () => {
    const { state, decisions } = play({
      workers: 6,
      rounds: 14,
      order: all,
      scores: fair({ 4: 8000 }),
    })
    const [convicted, ...more] = of(decisions, 'worker-convicted')
    expect(convicted).toMatchObject({ worker: 4, by: 'scores' })
    expect(more).toEqual([])
    const reasons = of(decisions, 'unpaid').map(({ worker, reason }) => `${worker} ${reason}`)
    expect(new Set(reasons)).toEqual(new Set(['4 score', '4 convicted']))
    expect(state.workers[4]!.earnedMicroUsd).toBe(0n)
    for (const { number, earnedMicroUsd } of state.workers)
      if (number !== 4) expect(earnedMicroUsd).toBe(14n * 30n)
  })

  test('forgets a bad score over good ones', () => {
    const { state, decisions } = play({
      workers: 6,
      rounds: 14,
      order: all,
      scores: fair(({ number }) => ({ 4: number % 3 === 0 ? 7000 : 12_000 })),
    })
    expect(of(decisions, 'worker-convicted')).toEqual([])
    expect(of(decisions, 'unpaid')).toEqual([])
    expect(state.workers[4]!.doubtMilli).toBe(0)
  })

  test('accuses nobody where most cannot be told from chance', () => {
    const scores = { 0: 8500, 1: 8400, 2: 8300, 3: 8900, 4: 2000, 5: 16_000 }
    const { decisions } = play({ workers: 6, rounds: 14, order: all, scores: fair(scores) })
    expect(of(decisions, 'scored').length).toBe(84)
    expect(of(decisions, 'worker-convicted')).toEqual([])
    expect(of(decisions, 'unpaid')).toEqual([])
  })

  test('asks no more who found otherwise than two others, and follows them', () => {
    const { state, decisions } = play({
      workers: 6,
      rounds: 14,
      order: all,
      scores: (before, number) => fair(number === 2 ? { 0: 0, 1: 0 } : {})(before, number),
    })
    const outvoted = of(decisions, 'auditor-outvoted')
    expect(outvoted).toMatchObject([{ auditor: 2, found: 'differently' }])
    const later = decisions.slice(decisions.indexOf(outvoted[0]!))
    expect(of(later, 'scores-asked').some(({ scorers }) => scorers.includes(2))).toBe(false)
    expect(of(decisions, 'unpaid')).toEqual([])
    expect(state.workers.every(({ doubtMilli }) => doubtMilli === 0)).toBe(true)
  })

  test('lets no worker have a say in its own score', () => {
    const { state, decisions } = play({
      workers: 4,
      rounds: 20,
      order: all,
      scores: (before, number) => fair({ 3: number === 3 ? 16_000 : 8000 })(before, number),
    })
    const own = of(decisions, 'scored').filter(({ worker }) => worker === 3)
    expect(own.every(({ errorMilli }) => errorMilli === 0)).toBe(true)
    expect(state.workers[3]!.standing).toBe('convicted')
    expect(of(decisions, 'auditor-outvoted')).toEqual([])
  })

  test('waits for who is silent as long as there is time, and goes by two', () => {
    const silent = (state: State, number: number) => (number === 1 ? [] : fair({})(state, number))
    const { decisions } = play({ workers: 6, order: all, scores: silent })
    const asked = of(decisions, 'scores-asked')
    expect(asked.some(({ scorers }) => scorers.includes(1))).toBe(true)
    expect(of(decisions, 'scored').length).toBeGreaterThan(24)
    expect(of(decisions, 'paid').length).toBe(30)
  })

  test('pays what nobody scored', () => {
    const { decisions } = play({ workers: 6, order: all })
    expect(of(decisions, 'scores-asked').length).toBe(5)
    expect(of(decisions, 'scored')).toEqual([])
    expect(of(decisions, 'paid').length).toBe(30)
  })
})

describe('seal', () => {
  test('binds a scorer once, in time, and no one else', () => {
    const { state, scorers, other } = unsealed()
    const [scorer = 0] = scorers
    const message = messageOf(state, scorer)
    expect(said(state, [sealed(message), sealed(message)])).toEqual(['seal: sealed-already'])
    expect(said(state, [sealed(messageOf(state, other))])).toEqual(['seal: not-assigned'])
    const elsewhere = { ...message, batch: hash('elsewhere') }
    expect(said(state, [sealed(elsewhere)])).toEqual(['seal: another-branch'])
    const { sealedBy } = state.open[0]!.groups[0]!
    expect(said(state, [sealed(message)], sealedBy)).toEqual(['seal: too-late'])
  })
})

describe('score', () => {
  test('is shown by all at once, and not before all are bound', () => {
    const { state, scorers } = unsealed()
    const messages = scorers.map((scorer) => messageOf(state, scorer))
    const bound = tick(state, inputOf(state, messages.slice(0, 2).map(sealed))).state
    expect(said(bound, [shown(messages[0]!)])).toEqual(['score: too-early'])
    expect(said(bound, [shown(messages[2]!)])).toEqual(['score: not-sealed'])
    const all = tick(bound, inputOf(bound, [sealed(messages[2]!)])).state
    expect(said(all, [...messages, messages[0]!].map(shown))).toEqual(['score: scored-already'])
  })

  test('is just what was sealed, by whom it was sealed', () => {
    const { state, scorers } = unsealed()
    const [first, second, third] = scorers.map((scorer) => messageOf(state, scorer))
    const copied = { ...sealed(second!).signed, message: { ...second!, seal: sealOf(first!) } }
    const { salt: _, scores: __, ...about } = copied.message
    const copy: Entry.Entry = { kind: 'seal', signed: { message: about, signature } }
    const bound = tick(state, inputOf(state, [sealed(first!), copy, sealed(third!)])).state
    const others = { ...third!, scores: third!.scores.map((each) => each + 1) }
    const stolen = { ...first!, scorer: second!.scorer }
    expect(said(bound, [shown(stolen), shown(others)])).toEqual([
      'score: another-seal',
      'score: another-seal',
    ])
    expect(said(bound, [shown(first!), shown(second!), shown(third!)])).toEqual([
      'score: another-seal',
    ])
  })

  test('is one for each contribution, within the scale', () => {
    const { state, scorers } = unsealed()
    const [first, second, third] = scorers.map((scorer) => messageOf(state, scorer))
    const wrong = [
      { ...first!, scores: first!.scores.slice(1) },
      { ...second!, scores: second!.scores.map(() => 16_001) },
      third!,
    ]
    const bound = tick(state, inputOf(state, wrong.map(sealed))).state
    expect(said(bound, wrong.map(shown))).toEqual(['score: out-of-range', 'score: out-of-range'])
  })
})

describe('isShown', () => {
  test('is so once all are bound, or had their time', () => {
    const { state, scorers } = unsealed()
    const [group] = state.open[0]!.groups
    expect(isShown(state, group!)).toBe(false)
    expect(isShown({ now: group!.sealedBy }, group!)).toBe(true)
    const seals = scorers.map((scorer) => sealed(messageOf(state, scorer)))
    const { state: next } = tick(state, inputOf(state, seals))
    expect(isShown(next, next.open[0]!.groups[0]!)).toBe(true)
  })
})

type Scores = Readonly<Record<number, number>>

/** Scorers who say these scores, 12,000 of all others, as the log allows it. */
function fair(given: Scores | ((about: { number: number }) => Scores)) {
  return (state: State, number: number): readonly Entry.Entry[] =>
    state.open.flatMap((closed) =>
      closed.groups.flatMap((group, at) => {
        const opinion = group.scorers.get(number)
        if (!opinion || group.isOver || opinion.scores) return []
        const scores = typeof given === 'function' ? given(closed) : given
        const message = messageOf(state, number, { closed: closed.number, group: at, scores })
        if (!opinion.seal) return isShown(state, group) ? [] : [sealed(message)]
        return isShown(state, group) ? [shown(message)] : []
      }),
    )
}

function messageOf(
  { open }: State,
  number: number,
  { closed = open[0]!.number, group = 0, scores = {} as Scores } = {},
): Score {
  const { batch, groups } = open.find((each) => each.number === closed)!
  const salt = hash(`salt ${number} ${closed}`)
  const about = { run, scorer: addressOf(number), round: closed, batch, group, salt }
  return { ...about, scores: groups[group]!.members.map(({ worker }) => scores[worker] ?? 12_000) }
}

function sealed(message: Score): Extract<Entry.Entry, { kind: 'seal' }> {
  const { salt: _, scores: __, ...about } = message
  return { kind: 'seal', signed: { message: { ...about, seal: sealOf(message) }, signature } }
}

function shown(message: Score): Entry.Entry {
  return { kind: 'score', signed: { message, signature } }
}

/** A state that waits for seals, and who was drawn. */
function unsealed() {
  const states: State[] = []
  play({ workers: 6, rounds: 2, order: all, watch: (state) => void states.push(state) })
  const state = states.find(({ open }) => open[0]?.groups.length === 1)!
  const scorers = [...state.open[0]!.groups[0]!.scorers.keys()]
  const other = state.workers.find(({ number }) => !scorers.includes(number))!.number
  return { state, scorers, other }
}

function inputOf({ now }: State, inbox: readonly Entry.Entry[], at = now + 1000) {
  return { now: at, seed: hash(`batch ${at}`), inbox }
}

/** What of these entries has no effect, and why. */
function said(state: State, inbox: readonly Entry.Entry[], at?: number): readonly string[] {
  const { outbox } = tick(state, inputOf(state, inbox, at))
  return of(outbox, 'entry-refused').map(({ reason }) => reason)
}
