/* Triples of f32 on the standard input, the bits of their fmaf on the standard output. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  static float triples[3 * 65536];
  static uint32_t results[65536];
  size_t count;
  while ((count = fread(triples, 12, 65536, stdin)) > 0) {
    for (size_t i = 0; i < count; i++) {
      volatile float result = fmaf(triples[3 * i], triples[3 * i + 1], triples[3 * i + 2]);
      float stored = result;
      memcpy(&results[i], &stored, 4);
      if (result != result) results[i] = 0x7fc00000;
    }
    if (fwrite(results, 4, count, stdout) != count) return 1;
  }
  return 0;
}
