/** The settings of `weft exact train` when none are given, as the file that they could be. */
export const defaultConfig = `# Settings of a run of \`weft exact train\`. Every field may be left out; these are the defaults.
# All but threads and checkpointEvery decide what the run comes to, to the bit.

model:                # a decoder of Llama's shape
  vocabulary: 256     # tokens are bytes
  width: 128
  layers: 2
  heads: 4
  keyHeads: 2         # heads of keys and values; heads is a multiple
  headSize: 32        # even; width / heads if left out
  hidden: 352         # inside the feed-forward part; 8/3 of the width if left out
  feedForward: swiglu # or relu-squared
  positions: 256      # the longest text that the model can read or write
  rotaryBase: 10000
  epsilon: 0.00001
  isTied: true        # whether the head's weights are the embedding's

# How products with weights are computed: f32, i8 (8-bit numbers), or i8x3 (15 bits in three products).
# Or one each: { attention: i8, feedForward: i8, head: f32 }
profile: f32

optimiser:
  kind: adamw         # or sgd, with momentum (0.9) and weightDecay
  beta1: 0.9
  beta2: 0.999
  epsilon: 1.0e-8
  weightDecay: 0.01

schedule:             # of the learning rate
  rate: 0.003
  warmupSteps: 10     # it rises in a line
  decay: cosine       # down to floor times the rate at the last step; or none
  floor: 0.1

clipNorm: 1           # the longest gradient; null for any length

rows: 8               # texts of a step
length: 64            # tokens of each
steps: 600
seed: 1               # first weights and the order of the data are drawn by it

threads: null         # as many as the machine has, 4 at most
checkpointEvery: 50   # steps
`
