/**
 * What training across strangers costs in loss and saves in traffic: the same model, data and tokens trained
 * on one machine and by rounds of inner steps, with the arithmetic, the codecs and the outer step of the real
 * workers. docs/training.md has the figures.
 */
import { startWasm } from '../src/exact/index.ts'
import type { Bench, Figures } from './Bench.ts'
import { faults } from './training/faults.ts'
import { grid } from './training/grid.ts'
import { liars } from './training/liars.ts'
import { privately } from './training/private.ts'
import { loss } from './training/loss.ts'
import { recordsOf } from './training/records.ts'
import { scale } from './training/scale.ts'
import { scores } from './training/scores.ts'
import { robust } from './training/robust.ts'
import { state } from './training/state.ts'
import { slow } from './training/slow.ts'
import { transfer } from './training/transfer.ts'

const parts = [
  'grid',
  'loss',
  'state',
  'liars',
  'scores',
  'robust',
  'faults',
  'scale',
  'transfer',
  'slow',
  'private',
] as const

export const bench: Bench = {
  description: 'loss and traffic of training across strangers against one machine',
  sections: parts,
  async run(ports): Promise<Figures> {
    await using backend = await startWasm({ threads: 1 })
    const records = recordsOf(backend, ports.say)
    const asked = (part: (typeof parts)[number]) => !ports.only || ports.only.includes(part)
    return {
      ...(asked('grid') ? await grid(ports, records) : {}),
      ...(asked('loss') ? await loss(ports, records) : {}),
      ...(asked('state') ? await state(ports, records) : {}),
      ...(asked('liars') ? await liars(ports, backend) : {}),
      ...(asked('scores') ? await scores(ports, backend) : {}),
      ...(asked('faults') ? await faults(ports, backend) : {}),
      ...(asked('scale') ? await scale(ports, backend) : {}),
      ...(asked('robust') ? await robust(ports, backend) : {}),
      ...(asked('transfer') ? await transfer(ports) : {}),
      ...(asked('slow') ? await slow(ports) : {}),
      ...(asked('private') ? await privately(ports, backend) : {}),
    }
  },
}
