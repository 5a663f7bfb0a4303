/** One benchmark: `npm run bench -- NAME` finds it as the export `bench` of `bench/NAME.ts`. */
export type Bench = {
  /** One line for the list. */
  readonly description: string
  /** Prints for people with `say`, and returns the figures for machines. */
  readonly run: (ports: { readonly say: (text: string) => void }) => Promise<Figures>
}

/** Named figures; the unit stands last in the name unless the name says it. */
export type Figures = Readonly<Record<string, number>>
