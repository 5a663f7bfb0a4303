import type { Report } from '../../settlement/DisputePorts.ts'

/** Prints what a keeper of disputes does, a line each. */
export function reportDispute({ json }: { json?: boolean | undefined }): (report: Report) => void {
  return (report) => {
    const { dispute, what, detail, gasUsed } = report
    if (json) {
      const gas = gasUsed === undefined ? {} : { gasUsed: Number(gasUsed) }
      console.log(JSON.stringify({ dispute, what, ...(detail ? { detail } : {}), ...gas }))
      return
    }
    console.log(wordsOf(report))
  }
}

/** What a keeper of disputes did, in a line. */
export function wordsOf({ dispute, what, detail, gasUsed }: Report): string {
  const gas = gasUsed === undefined ? '' : ` (${gasUsed.toLocaleString('en-US')} gas)`
  return `Dispute ${dispute.slice(0, 12)}: ${words[what]}${detail ? ` ${detail}` : ''}${gas}`
}

const words: Readonly<Record<Report['what'], string>> = {
  challenged: 'is open',
  adopted: 'brought what both have signed off the chain',
  moved: 'moved on the chain:',
  'timed-out': "ended it: the other's clock has run out",
  closed: 'closed, because its claim fell in another',
  won: 'won',
  lost: 'lost',
  slashed: 'had the loser slashed',
  burned: 'burned the part of the bond that nobody gets',
  released: 'took the bond back',
}
