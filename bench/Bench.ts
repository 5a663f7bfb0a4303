/** One benchmark: `npm run bench -- NAME` finds it as the export `bench` of `bench/NAME.ts`. */
export type Bench = {
  /** One line for the list. */
  readonly description: string
  /** What `--only` may name, when the benchmark has parts. */
  readonly sections?: readonly string[]
  /** Prints for people with `say`, and returns the figures for machines. */
  readonly run: (ports: Bench.Ports) => Promise<Figures>
}

export declare namespace Bench {
  type Ports = {
    readonly say: (text: string) => void
    /** The parts to run; all when it is left out. */
    readonly only?: readonly string[] | undefined
  }
}

/** Named figures; the unit stands last in the name unless the name says it. */
export type Figures = Readonly<Record<string, number>>
