/* A Modbus RTU slave on a pseudo-terminal that takes the time a wire would take.
 *
 *   rtu_slave BAUD ANSWER_US
 *
 * Prints the terminal's path, answers FC3 until its standard input ends, then prints one JSON object:
 * requests, the time between the first and the last of them, and how many came inside the silence of
 * 3.5 characters (1.75 ms above 19,200 baud: Serial Line V1.02 section 2.5.1.1) after an answer.
 *
 * A request is on the wire for its 8 characters from the moment it is read here; then come the silence,
 * the device's own time, and the answer in slices of a millisecond, its last byte exactly when due. */
#define _GNU_SOURCE
#include "peer.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <termios.h>

enum { REQUEST = 8, SLICE_NS = 1000000, SPIN_NS = 100000 };

static int64_t char_ns, silence_ns, answer_ns;

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

/* A sleep ends late, a wire is not: the last of it is spent spinning. */
static void sleep_until(int64_t at)
{
    int64_t wake = at - SPIN_NS;
    struct timespec t = {.tv_sec = wake / 1000000000, .tv_nsec = wake % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    while (now_ns() < at)
        ;
}

/* Waits for input: awake around the moment `soon` when the next request is due, else asleep. */
static void wait_for_input(struct pollfd *fds, int64_t soon)
{
    if (poll(fds, 2, 0) != 0)
        return;
    for (int64_t now = now_ns(); now < soon + SPIN_NS; now = now_ns()) {
        struct timespec nap = {.tv_nsec = soon - SPIN_NS - now};
        if (ppoll(fds, 2, nap.tv_nsec > 0 ? &nap : &(struct timespec){0}, NULL) != 0)
            return;
    }
    poll(fds, 2, -1);
}

/* Writes the answer at the wire's pace; returns the last moment when its last byte was not there yet. */
static int64_t answer(int master, const uint8_t *request, int64_t begins)
{
    uint8_t out[256] = {request[0], 3, (uint8_t)(2 * request[5])};
    size_t size = 3 + out[2], sent = 0;
    for (size_t i = 3; i < size; i++)
        out[i] = (uint8_t)(i * 37);
    uint16_t crc = crc16(out, size);
    out[size++] = (uint8_t)crc;
    out[size++] = (uint8_t)(crc >> 8);
    int64_t ends = begins + (int64_t)size * char_ns, before = ends;
    for (int64_t at = begins + SLICE_NS; sent < size; at += SLICE_NS) {
        at = at < ends ? at : ends;
        sleep_until(at);
        size_t there = (size_t)((at - begins) / char_ns);
        before = now_ns();
        if (write(master, out + sent, there - sent) != (ssize_t)(there - sent))
            die("write");
        sent = there;
    }
    return before;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int baud = atoi(argv[1]), master = posix_openpt(O_RDWR | O_NOCTTY), held;
    int64_t first = 0, last = 0, answered = 0;
    long requests = 0, early = 0;
    struct termios raw;
    char_ns = 10 * 1000000000LL / baud; /* 8N1 */
    silence_ns = baud > 19200 ? 1750000 : 7 * char_ns / 2;
    answer_ns = atoll(argv[2]) * 1000;
    if (grantpt(master) || unlockpt(master) || (held = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0)
        die("pty"); /* held open: a client that goes must not hang the master up */
    tcgetattr(held, &raw);
    cfmakeraw(&raw);
    tcsetattr(held, TCSANOW, &raw);
    prctl(PR_SET_TIMERSLACK, 1); /* 50 us late in each sleep would be the slave's, not the master's */
    printf("%s\n", ptsname(master));
    fflush(stdout);
    for (;;) {
        uint8_t request[REQUEST];
        struct pollfd fds[2] = {{.fd = master, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        wait_for_input(fds, answered + silence_ns);
        if (fds[1].revents)
            break;
        int64_t came = now_ns();
        for (size_t have = 0; have < REQUEST;) {
            ssize_t got = read(master, request + have, REQUEST - have);
            if (got <= 0)
                die("read");
            have += (size_t)got;
        }
        if (crc16(request, REQUEST) != 0 || request[1] != 3 || request[5] > REGISTERS_MAX) {
            fprintf(stderr, "not a request that this slave knows\n");
            return 1;
        }
        if (answered && came < answered + silence_ns)
            early++;
        first = first ? first : came;
        last = came;
        requests++;
        answered = answer(master, request, came + REQUEST * char_ns + silence_ns + answer_ns);
    }
    printf("{\"asked\": %ld, \"span_ns\": %lld, \"early\": %ld}\n", requests,
           (long long)(last - first), early);
    return 0;
}
