/* Slow links between machines, packet by packet: link NAME COUNT MBIT DELAY_MS LOSS_PERCENT
 *
 * Opens COUNT tun devices NAME0, NAME1, ... and carries each IPv4 packet to the device that the last byte of its destination
 * names (.1 is the first). Every device sends and receives MBIT at most, a packet is DELAY_MS under way, and LOSS_PERCENT of
 * them are lost: what `tc netem` does where the kernel has it. Ends when its standard input does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { most = 64, longest = 2048, room = 1 << 16 };
/* What a full queue holds of a line's time, as a home router's does. */
static const double backlogMs = 250;

struct packet {
  double at;
  int device, length, arrived;
  unsigned char bytes[longest];
};
static struct packet *heap[room];
static int size;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void push(struct packet *p) {
  int i = size++;
  for (; i > 0 && heap[(i - 1) / 2]->at > p->at; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
  heap[i] = p;
}

static struct packet *pop(void) {
  struct packet *first = heap[0], *last = heap[--size];
  int i = 0;
  for (int child; (child = 2 * i + 1) < size; i = child) {
    if (child + 1 < size && heap[child + 1]->at < heap[child]->at) child++;
    if (heap[child]->at >= last->at) break;
    heap[i] = heap[child];
  }
  heap[i] = last;
  return first;
}

static int openDevice(const char *name, int index) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, IFNAMSIZ, "%.10s%d", name, index);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
    perror("tun");
    exit(1);
  }
  return fd;
}

/* When a packet has passed a line that is free from `*free` on; negative when its queue is full. */
static double pass(double *freeAt, double at, int length, double bytesPerMs) {
  if (*freeAt < at) *freeAt = at;
  if (*freeAt - at > backlogMs) return -1;
  return *freeAt += length / bytesPerMs;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int count = atoi(argv[2]);
  double bytesPerMs = atof(argv[3]) * 125, delay = atof(argv[4]), loss = atof(argv[5]) / 100;
  double sent[most] = {0}, received[most] = {0};
  struct pollfd polled[most + 1] = {{.fd = 0, .events = POLLIN}};
  if (count < 1 || count > most) return 2;
  for (int i = 0; i < count; i++)
    polled[i + 1] = (struct pollfd){.fd = openDevice(argv[1], i), .events = POLLIN};
  puts("ready");
  fflush(stdout);
  srand48(1);
  for (;;) {
    double wait = size > 0 ? heap[0]->at - now() : 1000;
    struct timespec until = {0, wait <= 0 ? 0 : (long)((wait < 900 ? wait : 900) * 1e6)};
    ppoll(polled, count + 1, &until, NULL);
    if (polled[0].revents) return 0;
    for (int i = 0; i < count; i++)
      for (int many = 0; many < 64 && size < room - 1; many++) {
        struct packet *p = malloc(sizeof *p);
        p->length = read(polled[i + 1].fd, p->bytes, longest);
        p->device = p->length >= 20 && p->bytes[0] >> 4 == 4 ? p->bytes[19] - 1 : -1;
        double at = p->length > 0 ? pass(&sent[i], now(), p->length, bytesPerMs) : -1;
        if (p->length <= 0) many = 64;
        if (at < 0 || p->device < 0 || p->device >= count || drand48() < loss) {
          free(p);
          continue;
        }
        p->at = at + delay;
        p->arrived = 0;
        push(p);
      }
    while (size > 0 && heap[0]->at <= now()) {
      struct packet *p = pop();
      if (!p->arrived) {
        p->arrived = 1;
        p->at = pass(&received[p->device], p->at, p->length, bytesPerMs);
        if (p->at >= 0) {
          push(p);
          continue;
        }
      } else if (write(polled[p->device + 1].fd, p->bytes, p->length) < 0)
        ;
      free(p);
    }
  }
}
