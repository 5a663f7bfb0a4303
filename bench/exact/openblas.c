/* Multiplies square matrices with OpenBLAS on one thread. Reads lines "f32 SIZE REPETITIONS", answers
   each with the processor time in milliseconds. The library is the first argument. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef void Sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                   float *, int);
typedef void SetThreads(int);

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int count, char **arguments) {
  void *library = dlopen(count > 1 ? arguments[1] : "libopenblas.so.0", RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
  Sgemm *sgemm = (Sgemm *)dlsym(library, "cblas_sgemm");
  SetThreads *setThreads = (SetThreads *)dlsym(library, "openblas_set_num_threads");
  if (!sgemm || !setThreads) return fprintf(stderr, "This is not OpenBLAS.\n"), 1;
  setThreads(1);
  int size, repetitions;
  char kind[8];
  while (scanf("%7s %d %d", kind, &size, &repetitions) == 3) {
    size_t elements = (size_t)size * size;
    float *values = malloc(elements * 3 * sizeof *values);
    if (!values) return 1;
    for (size_t i = 0; i < elements * 3; i++) values[i] = (float)rand() / RAND_MAX - 0.5f;
    double start = milliseconds();
    for (int i = 0; i < repetitions; i++) /* row-major, nothing transposed */
      sgemm(101, 111, 111, size, size, size, 1, values, size, values + elements, size, 0,
            values + 2 * elements, size);
    printf("%f\n", milliseconds() - start);
    fflush(stdout);
    free(values);
  }
  return 0;
}
