/** The part of tfjs that the bench uses. */
export type Tf = {
  setBackend(name: string): Promise<boolean>
  tensor(values: ArrayLike<number>, shape: readonly number[], dtype?: string): Tensor
  zeros(shape: readonly number[]): Tensor
  tidy<T>(body: () => T): T
  keep(x: Tensor): Tensor
  /** The value and the gradients of a function of tensors. */
  valueAndGrads(
    body: (...x: readonly Tensor[]) => Tensor,
  ): (x: readonly Tensor[]) => { readonly value: Tensor; readonly grads: readonly Tensor[] }
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor
  reshape(x: Tensor, shape: readonly number[]): Tensor
  transpose(x: Tensor, permutation: readonly number[]): Tensor
  gather(table: Tensor, indices: Tensor): Tensor
  oneHot(indices: Tensor, depth: number): Tensor
  cast(x: Tensor, dtype: string): Tensor
  add(a: Tensor, b: Tensor | number): Tensor
  sub(a: Tensor, b: Tensor): Tensor
  mul(a: Tensor, b: Tensor | number): Tensor
  div(a: Tensor | number, b: Tensor | number): Tensor
  minimum(a: Tensor | number, b: Tensor | number): Tensor
  square(x: Tensor): Tensor
  sqrt(x: Tensor): Tensor
  rsqrt(x: Tensor): Tensor
  sigmoid(x: Tensor): Tensor
  exp(x: Tensor): Tensor
  log(x: Tensor): Tensor
  max(x: Tensor, axis: number, keepDims: boolean): Tensor
  where(mask: Tensor, a: Tensor, b: Tensor): Tensor
  sum(x: Tensor, axis?: number, keepDims?: boolean): Tensor
  mean(x: Tensor, axis: number, keepDims: boolean): Tensor
  softmax(x: Tensor): Tensor
  logSoftmax(x: Tensor): Tensor
  slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor
  concat(parts: readonly Tensor[], axis: number): Tensor
}

export type Tensor = {
  readonly shape: readonly number[]
  dispose(): void
  dataSync(): Float32Array
}
