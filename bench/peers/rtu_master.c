/* The floor on a serial wire: a master that takes a frame at its length and sleeps to absolute times.
 *
 *   rtu_master PATH BAUD REQUESTS REGISTERS [SPIN_US]
 *
 * The silence of 3.5 characters (1.75 ms above 19,200 baud: Serial Line V1.02 section 2.5.1.1) ends the
 * frame before the next request. SPIN_US: the last of it is spent spinning, because a sleep ends late. */
#define _GNU_SOURCE
#include "peer.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <termios.h>

enum { REQUEST = 8, EXTRA = 5, WAIT_MS = 5000 };

static uint16_t crc16(const uint8_t *p, size_t n)
{
    uint16_t c = 0xffff;
    while (n--) {
        c ^= *p++;
        for (int i = 0; i < 8; i++)
            c = (uint16_t)(c & 1 ? c >> 1 ^ 0xa001 : c >> 1);
    }
    return c;
}

static void wait_until(int64_t at, int64_t spin)
{
    int64_t wake = at - spin;
    struct timespec t = {.tv_sec = wake / 1000000000, .tv_nsec = wake % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    while (now_ns() < at)
        ;
}

/* Reads until the whole answer is there; returns when that was seen. */
static int64_t take(int port, uint8_t *in, size_t size)
{
    for (size_t have = 0; have < size;) {
        struct pollfd p = {.fd = port, .events = POLLIN};
        if (poll(&p, 1, WAIT_MS) != 1) {
            fprintf(stderr, "no answer\n");
            exit(1);
        }
        ssize_t got = read(port, in + have, size - have);
        if (got <= 0)
            die("read");
        have += (size_t)got;
    }
    return now_ns();
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6)
        return 2;
    int baud = atoi(argv[2]), registers = atoi(argv[4]);
    long requests = atol(argv[3]);
    int64_t spin = argc == 6 ? atoll(argv[5]) * 1000 : 0;
    int64_t silence = baud > 19200 ? 1750000 : 7 * (10 * 1000000000LL / baud) / 2;
    int port = open(argv[1], O_RDWR | O_NOCTTY);
    struct termios raw;
    if (port < 0 || tcgetattr(port, &raw) < 0)
        die(argv[1]);
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    tcsetattr(port, TCSANOW, &raw);
    prctl(PR_SET_TIMERSLACK, 1);
    uint8_t ask[REQUEST] = {1, 3, 0, 0, 0, (uint8_t)registers}, in[EXTRA + 2 * REGISTERS_MAX];
    uint16_t crc = crc16(ask, REQUEST - 2);
    ask[6] = (uint8_t)crc, ask[7] = (uint8_t)(crc >> 8);
    size_t size = EXTRA + 2 * (size_t)registers;
    int64_t wall = now_ns(), cpu = cpu_ns(), waits = switches(), free_at = wall;
    for (long i = 0; i < requests; i++) {
        wait_until(free_at, spin);
        if (write(port, ask, REQUEST) != REQUEST)
            die("write");
        free_at = take(port, in, size) + silence;
        if (crc16(in, size) != 0) {
            fprintf(stderr, "damaged\n");
            return 1;
        }
    }
    report(requests, now_ns() - wall, cpu_ns() - cpu, switches() - waits, NULL);
    return 0;
}
