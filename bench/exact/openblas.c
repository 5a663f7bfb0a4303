/* Multiplies matrices with OpenBLAS. Reads lines "M K N REPETITIONS", answers each with the processor
   time and the time on the wall in milliseconds, as JSON. Arguments: the library, the threads. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef void Sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                   float *, int);
typedef void SetThreads(int);

static double milliseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int count, char **arguments) {
  void *library = dlopen(count > 1 ? arguments[1] : "libopenblas.so.0", RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
  Sgemm *sgemm = (Sgemm *)dlsym(library, "cblas_sgemm");
  SetThreads *setThreads = (SetThreads *)dlsym(library, "openblas_set_num_threads");
  if (!sgemm || !setThreads) return fprintf(stderr, "This is not OpenBLAS.\n"), 1;
  setThreads(count > 2 ? atoi(arguments[2]) : 1);
  size_t m, k, n;
  int repetitions;
  while (scanf("%zu %zu %zu %d", &m, &k, &n, &repetitions) == 4) {
    size_t elements = m * k + k * n + m * n;
    float *a = malloc(elements * sizeof *a), *b = a + m * k, *c = b + k * n;
    if (!a) return 1;
    for (size_t i = 0; i < elements; i++) a[i] = (float)rand() / RAND_MAX - 0.5f;
    double cpu = milliseconds(CLOCK_PROCESS_CPUTIME_ID), wall = milliseconds(CLOCK_MONOTONIC);
    for (int i = 0; i < repetitions; i++) /* row-major, nothing transposed */
      sgemm(101, 111, 111, m, n, k, 1, a, k, b, n, 0, c, n);
    printf("{\"cpuMs\":%f,\"wallMs\":%f}\n", milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
           milliseconds(CLOCK_MONOTONIC) - wall);
    fflush(stdout);
    free(a);
  }
  return 0;
}
